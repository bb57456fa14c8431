"""Handing queued jobs back to plain Celery: nothing is lost, wherever it is cut short."""

import json
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from celery import signals
from django.core.management import call_command
from django.db import connection
from kombu.utils.json import loads

from celeriac.celery.headers import HEADER, PLAIN
from celeriac.celery.leaving.handing_back import hand_back_tasks
from celeriac.core.models import Audit, AuditBatch
from celeriac.jobs.errors import HandbackStopped
from celeriac.jobs.models import Attempt, HandedBack, Job, LargeCall, Route
from celeriac.jobs.operating import hand_back
from celeriac.testing import drain

pytestmark = pytest.mark.django_db


@pytest.fixture
def note(acme):
    """Return a task that fails when it is told to."""

    @acme.task(name="acme.note", bind=True, max_retries=3)
    def note(self, *args, **kwargs):
        if args == ("again",):
            raise self.retry(countdown=600)
        return args

    return note


def give_back(note, pattern="acme.*", **said):
    """Hand the task's jobs back, without the wait for other processes."""
    said = {"reason": "enough", "actor": "ann", "wait": lambda seconds: None, **said}
    return hand_back_tasks(pattern, {note.name: note}, **said)


def messages(broker, queue="default"):
    """Return headers and arguments of the messages in a queue, the first one first."""
    found = [json.loads(each) for each in broker.lrange(queue, 0, -1)][::-1]
    from base64 import b64decode

    return [(each["headers"], loads(b64decode(each["body"]))) for each in found]


def test_a_queued_job_becomes_the_message_that_it_stood_for(note, broker):
    """With its id, arguments, times, limits, priority, headers and retries; its row is gone."""
    eta = datetime.now(UTC) + timedelta(hours=1)
    note.apply_async(
        (1, Decimal("1.5")),
        {"b": 1, "a": uuid4()},
        task_id="mine",
        eta=eta,
        expires=eta + timedelta(hours=1),
        time_limit=50,
        soft_time_limit=40,
        priority=3,
        headers={"trace": "t"},
        shadow="shown",
    )
    job = Job.objects.get()
    found = give_back(note)
    assert (found.sent, found.twice, found.refused, found.kept) == (1, [], [], 0)
    assert not Job.objects.exists()
    [(headers, body)] = messages(broker, "default\x06\x163")
    assert headers["id"] == "mine"
    assert headers[HEADER] == PLAIN
    assert headers["trace"] == "t"
    assert headers["timelimit"] == [50, 40]
    assert headers["shadow"] == "shown"
    assert datetime.fromisoformat(headers["eta"]) == job.run_at
    assert datetime.fromisoformat(headers["expires"]) == job.expires_at
    assert body[0] == [1, Decimal("1.5")]
    assert list(body[1]) == ["b", "a"]
    row = HandedBack.objects.get()
    assert (row.job_id, row.task_id, len(row.tries)) == (job.id, "mine", 1)
    assert row.sent_at is not None


def test_retries_go_on_where_they_were(note, broker):
    """A job that failed twice is the second retry; its attempts and large arguments go with it."""
    note.delay("again")
    drain()
    drain(with_scheduled=False)
    Job.objects.update(failures=2)
    big = "x" * 300_000
    note.delay(big)
    assert Attempt.objects.exists()
    assert LargeCall.objects.exists()
    assert give_back(note).sent == 2
    again, large = messages(broker)
    assert again[0]["retries"] == 2
    assert again[0]["eta"]
    assert large[1][0] == [big]
    assert not Attempt.objects.exists()
    assert not LargeCall.objects.exists()


def test_the_pattern_is_plain_from_then_on_and_the_audit_has_each_job(note, broker):
    """Who, why, and which jobs."""
    ids = {note.delay(number).id for number in range(120)}
    give_back(note)
    assert (Route.objects.get().pattern, Route.objects.get().share) == ("acme.*", 0)
    note.delay("later")
    assert not Job.objects.exists()
    assert {headers["id"] for headers, _ in messages(broker)} > ids
    entry = Audit.objects.get(verb="job.handback")
    assert (entry.count, entry.reason, entry.actor_name) == (120, "enough", "ann")
    told = [str(each) for batch in AuditBatch.objects.all() for each in batch.targets]
    assert set(told) == ids


def test_what_runs_and_what_is_to_be_called_back_stays(note):
    """They are counted, for whoever asks what is left."""
    note.delay(1)
    note.delay(2)
    runs, called = Job.objects.order_by("id")
    Job.objects.filter(pk=runs.pk).update(state="running", claim_id=uuid4())
    Job.objects.filter(pk=called.pk).update(callback_url="https://example.com/")
    found = give_back(note)
    assert (found.sent, found.running, found.kept) == (0, 1, 1)


def test_its_result_is_asked_where_plain_results_are(note):
    """The id is no job's any more."""
    result = note.delay(1)
    give_back(note)
    assert result.state == "PENDING"
    note.app.backend.host.store_result(result.id, 7, "SUCCESS")
    assert note.AsyncResult(result.id).get(timeout=5) == 7


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it, and nothing after it happens."""


@contextmanager
def killed_at(step):
    """Die at the so many-th statement or message from now, before it is done."""
    count = 0

    def pass_step(*_, **__):
        nonlocal count
        count += 1
        if count == step:
            raise Killed

    def wrapper(execute, *rest):
        pass_step()
        return execute(*rest)

    published = signals.before_task_publish, signals.after_task_publish
    for each in published:
        each.connect(pass_step, weak=False, dispatch_uid="killed")
    try:
        with connection.execute_wrapper(wrapper):
            yield
    finally:
        for each in published:
            each.disconnect(dispatch_uid="killed")


def test_killed_at_each_statement_it_loses_nothing_and_names_what_may_be_doubled(
    note, broker, django_db_blocker, transactional_db
):
    """Every step of it: statements, and before and after each message. The next one goes on."""
    note.delay("first")  # declared, and its queue known
    give_back(note)
    step, ended = 0, False
    while not ended:
        step += 1
        broker.flushall()
        HandedBack.objects.all().delete()
        from celeriac.jobs.routing.order_route import order_route

        order_route("acme.*", share=100, reason="test", actor="ann")
        ids = {note.delay(number).id for number in range(3)}
        try:
            with killed_at(step):
                give_back(note)
                ended = True
        except Killed:
            connection.close()  # and with it whatever it held
        found = give_back(note)
        sent = Counter(headers["id"] for headers, _ in messages(broker))
        assert set(sent) == ids, step
        assert not Job.objects.exists()
        assert not HandedBack.objects.filter(sent_at=None).exists()
        doubled = {task_id for task_id, count in sent.items() if count > 1}
        assert doubled <= {row.task_id for row in found.twice}, step
        listed = {row.task_id for row in HandedBack.objects.filter(tries__len__gt=1)}
        assert doubled <= listed
    assert step > 15


def test_only_one_works_at_a_time(note):
    """Two would send the same."""
    with hand_back.only_handback() as is_ours:
        assert is_ours
        with pytest.raises(HandbackStopped, match="Another handback"):
            give_back(note)
    assert give_back(note).sent == 0


def test_a_broker_that_is_away_takes_nothing(note, settings):
    """The jobs stay where they are."""
    note.delay(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(note.app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
        patch.setattr("celeriac.celery.leaving.handing_back._PATIENT", {"max_retries": 1})
        with pytest.raises(HandbackStopped, match="nothing was taken"):
            give_back(note)
    assert Job.objects.queued().count() == 1


def test_the_command_lists_what_may_have_gone_twice(note, broker, capsys, monkeypatch):
    """By task and id, with the times of its tries."""
    monkeypatch.setattr("celeriac.celery.leaving.handing_back.EFFECT_SECONDS", 0.0)
    note.apply_async((1,), task_id="mine")
    HandedBack.objects.create(
        job_id=uuid4(),
        task="acme.note",
        task_id="lost",
        call='{"args": [], "kwargs": {}, "options": {}}',
        tries=[datetime(2026, 1, 2, tzinfo=UTC)],
    )
    call_command("celeriac", "handback", "--task", "acme.*", "--reason", "x")
    said = capsys.readouterr().out
    assert "2 jobs were sent as plain messages" in said
    assert "acme.note lost: 2 tries, the first at 2026-01-02 00:00:00; sent" in said
    assert {headers["id"] for headers, _ in messages(broker)} == {"mine", "lost"}
    call_command("celeriac", "handback", "--list")
    assert "lost" in capsys.readouterr().out
    for words in (("--task", "no.*", "--reason", "x"), ()):
        with pytest.raises(SystemExit):
            call_command("celeriac", "handback", *words)
    assert "Say why" in capsys.readouterr().err
