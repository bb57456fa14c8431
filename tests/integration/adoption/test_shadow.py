"""The shadow: notes of plain tasks, what they come to, and that they hurt nobody."""

import logging
import os
import threading
import time
from datetime import timedelta
from functools import partial

import pytest
from celery import signals
from celery.app.trace import build_tracer
from django.core.management import call_command
from django.db import connection, transaction

from celeriac.celery.shadow import noting
from celeriac.celery.shadow.findings import (
    DOUBLED,
    EARLY,
    LOST,
    UNDONE,
    UNKNOWN,
    WAITING,
    read_shadow,
)
from celeriac.celery.shadow.notes import notes
from celeriac.celery.shadow.waiting import waiting_ids
from celeriac.core import clock
from celeriac.jobs.models import Job, ShadowCall, ShadowGap, ShadowRun

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def plain(adopt):
    """Return an app none of whose tasks are jobs, and all have a shadow."""
    app = adopt("none.*", celeriac={"SHADOW": ["acme.*"]})
    notes.forget()
    noting.install_shadow()
    yield app
    for signal in (
        signals.before_task_publish,
        signals.task_prerun,
        signals.task_postrun,
        signals.task_revoked,
    ):
        for name in ("note_call", "note_start", "note_end", "note_revoked"):
            signal.disconnect(dispatch_uid=f"celeriac.shadow.{name}")
    notes.stop()


@pytest.fixture
def note(plain):
    """Return a plain task with a shadow."""

    @plain.task(name="acme.note")
    def note(*args):
        return args

    return note


def run(task, broker, *, times=1, keep=False):
    """Take a message off the broker as a worker does, and run it in this process."""
    import json
    from base64 import b64decode

    text = broker.lindex("default", -1) if keep else broker.rpop("default")
    message = json.loads(text)
    args, kwargs, _ = json.loads(b64decode(message["body"]))
    headers = message["headers"]
    trace = build_tracer(task.name, task, app=task.app)
    for _ in range(times):
        request = {**headers, "args": args, "kwargs": kwargs, "is_eager": False}
        trace(headers["id"], args, kwargs, request)


def elsewhere(work):
    """Do something in a session of its own."""

    def do():
        work()
        connection.close()

    thread = threading.Thread(target=do)
    thread.start()
    thread.join()


def findings(note, settled=0.0, **options):
    """Return what is said of each message."""
    notes.flush()
    since = clock.db_now() - timedelta(hours=1)
    waiting = options.pop("waiting", lambda: waiting_ids([note.app]))
    tasks = read_shadow(since, waiting=waiting, settled=settled, **options)
    return {(one.task_id, one.what): one for each in tasks for one in each.findings}


def test_a_call_and_its_run_are_noted_and_nothing_is_said_of_them(note, broker):
    """The line that called, the size of the arguments, start and end; it is no job."""
    result = note.delay("x" * 100)
    run(note, broker)
    assert findings(note) == {}
    call, ran = ShadowCall.objects.get(), ShadowRun.objects.get()
    assert call.task_id == ran.task_id == result.id
    assert call.site.startswith("tests/integration/adoption/test_shadow.py:")
    assert "test_a_call_and_its_run" in call.site
    assert call.args_bytes > 100
    assert (ran.outcome, ran.pid, ran.transaction) == ("SUCCESS", os.getpid(), "")
    assert ran.ended_at >= ran.started_at
    assert not Job.objects.exists()


def test_a_start_before_the_commit_is_named(note, broker):
    """PostgreSQL itself says how the caller's transaction stood."""
    with transaction.atomic():
        early = note.delay(1).id
        elsewhere(partial(run, note, broker))
    with transaction.atomic():
        late = note.delay(2).id
    run(note, broker)
    assert set(findings(note)) == {(early, EARLY)}
    assert ShadowRun.objects.get(task_id=late).transaction == "committed"


def test_what_a_rollback_would_undo_is_named(note, broker):
    """A whole one, and one to a savepoint, whether it ran or not."""
    with transaction.atomic():
        whole = note.delay(1).id
        transaction.set_rollback(True)
    with transaction.atomic():
        kept = note.delay(2).id
        with transaction.atomic():
            part = note.delay(3).id
            transaction.set_rollback(True)
        with transaction.atomic():
            inner = note.delay(4).id
    for _ in range(4):
        run(note, broker)
    found = findings(note)
    assert {(whole, UNDONE), (part, UNDONE)} == set(found)
    assert found[whole, UNDONE].why == "it ran all the same"
    assert kept != inner


def test_a_message_that_never_started_is_lost_unless_the_broker_has_it(note, broker):
    """Waiting is no loss; where the broker does not say, it is unknown."""
    lost = note.delay(1).id
    broker.rpop("default")
    waiting = note.delay(2).id
    later = note.apply_async((3,), countdown=3600).id
    broker.lpop("default")
    assert set(findings(note)) == {(lost, LOST), (waiting, WAITING), (later, WAITING)}
    unknown = findings(note, waiting=lambda: None)
    assert set(unknown) == {(lost, UNKNOWN), (waiting, UNKNOWN), (later, WAITING)}
    assert (lost, WAITING) in findings(note, settled=3600)
    ShadowGap.objects.create(host="here", pid=7, notes=3, why="the database was slow")
    assert (lost, UNKNOWN) in findings(note)


def test_two_starts_of_one_call_are_named_and_a_retry_is_none(note, plain, broker):
    """The same try twice."""

    @plain.task(name="acme.again", bind=True, max_retries=1)
    def again(self):
        if not self.request.retries:
            raise self.retry(countdown=0)

    twice = note.delay(1).id
    run(note, broker, times=2)
    retried = again.delay().id
    run(again, broker)
    run(again, broker)
    assert set(findings(note)) == {(twice, DOUBLED)}
    assert ShadowRun.objects.filter(task_id=retried).count() == 2


def test_a_start_without_a_call_is_unknown(note, broker):
    """It was sent from elsewhere."""
    sent = note.delay(1).id
    notes.flush()
    ShadowCall.objects.all().delete()
    run(note, broker)
    assert set(findings(note)) == {(sent, UNKNOWN)}


def test_a_promise_that_was_not_kept_is_a_loss(note, broker):
    """The process died between its commit and the message."""
    with transaction.atomic():
        note.delay_on_commit(1)
        connection.run_on_commit = []  # as if it had died there
    with transaction.atomic():
        note.delay_on_commit(2)
    with transaction.atomic():
        note.delay_on_commit(3)
        transaction.set_rollback(True)
    run(note, broker)
    [((_, what), one)] = findings(note).items()
    assert what == LOST
    assert "its process died before" in one.why


def test_a_broken_shadow_hurts_no_call_and_no_run(note, broker, caplog):
    """Its table is locked, or gone: calls go on, are not slowed for long, and the gap is told."""
    caplog.set_level(logging.CRITICAL)
    ready, done = threading.Event(), threading.Event()

    def lock():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE celeriac_jobs_shadowcall, celeriac_jobs_shadowrun")
            ready.set()
            done.wait(20)
        connection.close()

    thread = threading.Thread(target=lock)
    thread.start()
    ready.wait(10)
    began = time.monotonic()
    try:
        with transaction.atomic():
            for number in range(20):
                note.delay(number)
            ShadowGap.objects.exists()  # the transaction is in order
        for _ in range(20):
            run(note, broker)
        spent = time.monotonic() - began
    finally:
        done.set()
        thread.join()
    assert spent < 10
    assert broker.llen("default") == 0
    notes._spared_until = 0.0
    note.delay("after")
    notes.flush()
    [gap] = ShadowGap.objects.all()
    assert gap.notes >= 39
    assert gap.pid == os.getpid()


def test_an_error_in_the_shadow_reaches_nobody(note, broker, monkeypatch, caplog):
    """Whatever it is."""
    caplog.set_level(logging.CRITICAL)

    def fail(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr(noting, "open_transaction", fail)
    monkeypatch.setattr(noting, "uuid4", fail)
    note.delay(1)
    run(note, broker)
    assert not ShadowRun.objects.exists()


def test_the_report_names_call_sites_and_the_largest_arguments(note, broker, capsys):
    """Task by task; what it can't know, it lists."""
    with transaction.atomic():
        note.delay("x" * 5000)
        transaction.set_rollback(True)
    run(note, broker)
    notes.flush()
    ShadowGap.objects.create(host="here", pid=7, notes=3, why="the database was slow")
    call_command("celeriac", "shadow", "report", "--settled", "0.01", "--ids")
    said = capsys.readouterr().out
    assert "acme.note: 1 calls, 1 starts, largest arguments 5,0" in said
    assert "1 were called in a transaction that rolled back" in said
    assert "test_shadow.py:" in said
    assert "3 notes of here/7" in said
    assert "calls in hooks of on_commit()" in said
    call_command("celeriac", "shadow", "report", "--json")
    assert '"acme.note"' in capsys.readouterr().out


def test_the_comparison_has_both_sides(note, broker, adopt, capsys):
    """Ended, runs, failures, waits and times of the task as messages and as jobs."""
    from celeriac.testing import drain

    note.delay(1)
    run(note, broker)
    notes.flush()
    app = adopt("acme.*", celeriac={"SHADOW": ["acme.*"]})

    @app.task(name="acme.note")
    def as_job(*args):
        return args

    as_job.delay(2)
    drain()
    call_command("celeriac", "report", "acme.*")
    said = capsys.readouterr().out
    assert "plain, by its shadow   1 ended, 1 runs, 0 failed (0.0%)" in said
    assert "ledger                 1 ended, 1 runs, 0 failed (0.0%)" in said
