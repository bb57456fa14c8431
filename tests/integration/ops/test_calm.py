"""What the admin says in each situation: dashboard, pages of queues and workers, doctor.

Each row of the table is a situation, the sentences that it gives with their colour, those that it
must not give, and what stands on the queue's page; the doctor is asked the same.
"""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from apps.payments.models import Difference
from apps.payments.plugin import check_review
from celeriac.console.dashboard import dead_letters as dashboard_dead, payload
from celeriac.console.doctor import platform, schedules
from celeriac.core import clock
from celeriac.core.models import Audit
from celeriac.jobs import phrases, registry
from celeriac.jobs.errors import InvalidOption
from celeriac.jobs.models import Job, Queue, Worker
from celeriac.jobs.operating import dead, operate, operate_queues
from celeriac.monitoring.rollups import rolling
from celeriac.schedules.models import UNCALLED, Beat, Policy, Tick
from celeriac.settings import conf
from tests.factories import AttemptFactory, JobFactory, UserFactory
from tests.factories_schedules import PeriodicTaskFactory
from tests.integration.payments.conftest import circuits  # noqa: F401 a fixture

pytestmark = pytest.mark.django_db

#: Colours of a label in the admin, and of a sentence.
GREEN, ORANGE, RED = "success", "warning", "danger"


@pytest.fixture
def root(client, django_user_model):
    """Return a superuser who has signed in."""
    user = django_user_model.objects.create_superuser("root@example.com", "x")
    client.force_login(user)
    client.user = user
    return client


@pytest.fixture(autouse=True)
def platform_at_work(circuits, settings):  # noqa: F811 the fixture above
    """Make a dispatcher and a worker of every queue, and fresh charts."""
    Queue.objects.bulk_create([Queue(name=name) for name in conf.QUEUES], ignore_conflicts=True)
    lease = clock.db_now() + timedelta(hours=1)
    Queue.objects.update(
        holder="11111111-1111-1111-1111-111111111111", holder_name="d", lease_until=lease
    )
    Worker.objects.create(
        **{"name": "w", "host": "h", "pid": 1, "slots": 2, "kinds": registry.kind_names()},
        queues=list(conf.QUEUES),
    )
    rolling.roll_up_minutes()


def ago(**time):
    """Return a moment in the past."""
    return clock.db_now() - timedelta(**time)


def die(kind="test.note", count=1, **time):
    """Let jobs of a kind die so long ago."""
    jobs = JobFactory.create_batch(count, state="dead", kind=kind)
    when = ago(**time)
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(finished_at=when)
    for job in jobs:
        AttemptFactory(job=job, outcome="dead", error_class="Boom", finished_at=when)
    return jobs


def wait(queue="payments", count=1, **fields):
    """Let jobs wait that were due ten minutes ago."""
    return JobFactory.create_batch(count, queue=queue, **{"run_at": ago(minutes=10)} | fields)


def kill_worker(**time):
    """Let the worker fall silent."""
    Worker.objects.update(beat_at=ago(**time))


def leave_queue(*queues):
    """Let the worker serve nothing but these."""
    Worker.objects.update(queues=list(queues))


def long_dead():
    """A death of two days ago."""
    die(days=2)


def many_dead():
    """Sixty-five deaths of four kinds, the last a second ago."""
    die("test.note", 60, minutes=6)
    for kind in ("test.noop", "test.fail", "test.guarded"):
        die(kind, 1, seconds=1)
    die("test.note", 2, seconds=1)


def dealt_with():
    """A death that somebody has dealt with."""
    die(hours=1)
    dead.acknowledge_dead(actor="ann", reason="their card had expired")


def dealt_with_and_again():
    """The same, and another one since."""
    dealt_with()
    die(seconds=0)


def dealt_with_another_kind():
    """Somebody has dealt with another kind."""
    die(hours=1)
    dead.acknowledge_dead(kind="test.noop", actor="ann", reason="known")


def retried():
    """A death whose job was queued again."""
    (job,) = die(hours=1)
    operate.retry(job.pk, actor="ann", reason="fixed")


def nobody_serves():
    """A queue that no worker takes from, with jobs."""
    leave_queue("default")
    wait(count=200)


def nobody_serves_nothing():
    """The same, and nothing waits."""
    leave_queue("default")


def nobody_dispatches():
    """A queue that no dispatcher holds, with a job."""
    Queue.objects.filter(name="payments").update(lease_until=None)
    wait()


def one_parked():
    """One job is parked, another is due and has waited for ten minutes."""
    JobFactory(state="running", lock_key="a", queue="payments")
    wait(lock_key="a")
    wait()


def only_parked():
    """One job is parked, and nothing else waits."""
    JobFactory(state="running", lock_key="a", queue="payments")
    wait(lock_key="a")


def killed_and_holding():
    """A worker was killed, and nobody has taken its job back yet."""
    JobFactory(state="running", worker=Worker.objects.get().pk)
    Worker.objects.create(
        **{"name": "v", "host": "h", "pid": 2, "slots": 2, "kinds": registry.kind_names()},
        queues=Worker.objects.get().queues,
    )
    Worker.objects.filter(name="w").update(beat_at=ago(minutes=5))


def killed_and_over():
    """The same, once its job was taken back."""
    killed_and_holding()
    Job.objects.update(state="queued", claim_id=None, started_at=None, run_at=clock.db_now())
    Worker.objects.filter(name="w").update(claims=["22222222-2222-2222-2222-222222222222"])


def paused_with_one():
    """A paused queue with one job."""
    operate_queues.pause_queue("payments", actor="ann", reason="deploy")
    wait()


def books_disagree():
    """The provider's books differ from ours."""
    Difference.objects.create(kind="amount", provider="stripe", provider_id="pi_1")


def scheduled(**fields):
    """Return a schedule that a living beat has taken up."""
    Beat.objects.create(host="h", pid=1)
    task = PeriodicTaskFactory(name="nightly", every=timedelta(hours=1), **fields)
    now = clock.db_now()
    Policy.objects.update_or_create(
        pk=task.pk,
        defaults={"cursor": now, "anchor": now, "next_fire_at": now + timedelta(hours=1)},
    )
    return task


def cannot_fire():
    """A schedule that beat can't count."""
    fault = "can't be counted: no zone is called Mars"
    Policy.objects.filter(pk=scheduled().pk).update(fault=fault, next_fire_at=None)


def cannot_be_called():
    """A schedule whose job can't be made: its kind was taken out of the code."""
    task = scheduled(task="gone.kind")
    Tick.objects.create(
        periodic_task=task, scheduled_for=ago(minutes=3), status="skipped", reason=f"{UNCALLED}: x"
    )


def could_be_called_again():
    """The same, after it was changed: the next tick will make its job."""
    cannot_be_called()
    PeriodicTask.objects.update(task="test.noop", kwargs="{}")


def cannot_be_called_and_off():
    """The same, switched off."""
    cannot_be_called()
    PeriodicTask.objects.update(enabled=False)


ALL_WELL: tuple = ()
DEAD_SINCE = r"{} died since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC and nobody has dealt with {}: {}\."
SITUATIONS = [
    # situation, (level, sentence)…, state of the queue payments and its colour
    (long_dead, [(ORANGE, DEAD_SINCE.format("1 job", "it", "1 of test.note"))], ("open", GREEN)),
    (
        many_dead,
        [
            (
                ORANGE,
                DEAD_SINCE.format(
                    *("65 jobs", "them"),
                    "62 of test.note, 1 of test.fail, 1 of test.guarded, others of 1 more kind",
                ),
            )
        ],
        ("open", GREEN),
    ),
    (dealt_with, ALL_WELL, ("open", GREEN)),
    (dealt_with_and_again, [(ORANGE, "^1 job died since .* 1 of test.note")], ("open", GREEN)),
    (dealt_with_another_kind, [(ORANGE, "^1 job died since")], ("open", GREEN)),
    (retried, ALL_WELL, ("open", GREEN)),
    (
        nobody_serves,
        [(RED, "^No living worker serves the queue payments: 200 jobs wait.$")],
        ("no worker, jobs wait", RED),
    ),
    (nobody_serves_nothing, ALL_WELL, ("no worker", ORANGE)),
    (
        nobody_dispatches,
        [(RED, "^No dispatcher holds the queue payments: 1 job waits.$")],
        ("no dispatcher, jobs wait", RED),
    ),
    (one_parked, [(ORANGE, "The oldest due job of payments has waited 10 min")], ("open", GREEN)),
    (only_parked, ALL_WELL, ("open", GREEN)),
    (killed_and_holding, [(ORANGE, "Worker w has been silent for 5 min.")], ("open", GREEN)),
    (killed_and_over, ALL_WELL, ("open", GREEN)),
    (books_disagree, [(ORANGE, "^1 difference waits for a human: our books")], ("open", GREEN)),
    (
        cannot_fire,
        [(ORANGE, r"^The schedule nightly makes no job: can't be counted: .* Mars\.$")],
        ("open", GREEN),
    ),
    (
        cannot_be_called,
        [(ORANGE, "^The schedule nightly makes no job: task: .*gone.*MODULES.*$")],
        ("open", GREEN),
    ),
    (could_be_called_again, ALL_WELL, ("open", GREEN)),
    (cannot_be_called_and_off, ALL_WELL, ("open", GREEN)),
    (
        paused_with_one,
        [(ORANGE, "^The queue payments is paused by ann: deploy. 1 job waits.$")],
        ("paused", ORANGE),
    ),
]


@pytest.mark.parametrize(
    ("situation", "expected", "standing"),
    SITUATIONS,
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_situation_gives_its_sentences_and_colours(root, situation, expected, standing):
    """Neither fewer sentences than there are matters, nor more."""
    situation()
    found = payload.build_payload(root.user, window="15m")["attention"]
    assert len(found) == len(expected), found
    for (level, pattern), said in zip(expected, found, strict=True):
        assert said["level"] == level
        assert re.search(pattern, said["text"]), said["text"]
        assert not said["url"] or root.get(said["url"]).status_code == 200
    assert label(root, "celeriac_jobs_queue", "payments") == standing
    assert not re.search(r"\b1 (jobs|are|wait\b)", " ".join(each["text"] for each in found))


def label(client, model, name):
    """Return the state that the list shows for a row, with its colour."""
    page = client.get(reverse(f"admin:{model}_changelist")).content.decode()
    (row,) = [part for part in page.split("<tr")[1:] if f">{name}<" in part.replace("\n", "")]
    for colour, classes in (
        (GREEN, "green"),
        (ORANGE, "orange"),
        (RED, "red"),
        ("info", "blue"),
    ):
        match = re.search(rf"<span[^>]*\b(?:bg|text)-{classes}-\d+[^>]*>\s*([^<]+?)\s*<", row)
        if match:
            return match[1], colour
    raise AssertionError(row)


@pytest.mark.parametrize(
    ("situation", "check", "levels", "pattern"),
    [
        (long_dead, platform.check_dead_letters, ["warning"], "1 job died since"),
        (dealt_with, platform.check_dead_letters, [], ""),
        (nobody_serves, platform.check_kinds, ["ok"], ""),
        (nobody_serves, platform.check_workers, ["error"], r"payments \(where jobs wait\)"),
        (killed_and_holding, platform.check_workers, ["warning", "ok"], "w on h has been silent"),
        (books_disagree, check_review, ["warning"], "1 difference"),
        (cannot_fire, schedules.check_schedules, ["warning"], "nightly makes no job"),
        (cannot_be_called, schedules.check_schedules, ["warning"], "nightly makes no job"),
        (could_be_called_again, schedules.check_schedules, [], ""),
        (
            killed_and_over,
            platform.check_workers,
            ["ok"],
            "1 living with 2 slots serves all queues",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_doctor_says_the_same(situation, check, levels, pattern):
    """And never to cancel the jobs of a queue without a worker."""
    situation()
    found = list(check())
    assert [each.level.value for each in found] == levels
    assert re.search(pattern, " ".join(each.says for each in found))
    assert "jobs cancel" not in " ".join(each.todo for each in found)


def test_many_that_were_dealt_with_hide_none_that_was_not(root, monkeypatch):
    """Older dead letters of another kind are looked for; where that takes too long, it is said."""
    monkeypatch.setattr(dashboard_dead, "MOST", 3)
    die("test.noop", hours=5)
    die("test.note", count=4, hours=1)
    dead.acknowledge_dead(kind="test.note", actor="ann", reason="known")

    def said():
        (found,) = platform.check_dead_letters()
        (shown,) = payload.build_payload(root.user, window="15m")["attention"]
        assert shown["text"].partition(":")[0] == found.says.partition(":")[0]
        return found.says

    assert re.search("^1 job died since .* 1 of test.noop$", said())
    monkeypatch.setattr(dashboard_dead, "FURTHER", 4)
    assert re.search("^4 dead letters were dealt with; those before .* were not looked at", said())
    dead.acknowledge_dead(actor="ann", reason="all of it")
    assert list(platform.check_dead_letters()) == []
    assert payload.build_payload(root.user, window="15m")["attention"] == []


def test_a_queue_outside_settings_that_holds_jobs_is_missed_too():
    """Nobody serves it, so somebody must be told."""
    wait("forgotten")
    (found,) = platform.check_workers()
    assert (found.level.value, "forgotten (where jobs wait)" in found.says) == ("error", True)


@pytest.mark.parametrize(
    ("situation", "standing", "claims"),
    [(killed_and_holding, ("silent", RED), "0"), (killed_and_over, ("gone", "info"), "0")],
    ids=["holding", "over"],
)
def test_a_killed_workers_page_says_what_is_true_now(root, situation, standing, claims):
    """It holds nothing once its jobs were taken back."""
    situation()
    assert label(root, "celeriac_jobs_worker", Worker.objects.get(name="w").name) == standing
    worker = Worker.objects.get(name="w")
    page = root.get(reverse("admin:celeriac_jobs_worker_change", args=[worker.pk])).content.decode()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    assert re.search(rf"Claims held {claims}\b", text)


def test_dealing_with_dead_letters_is_a_service_call_that_leaves_an_audit_row(root):
    """From the page of dead letters, with a reason; the jobs stay dead, for all to see."""
    die(count=2, hours=1)
    die("test.noop", hours=1)
    page = root.get(reverse("admin:ops_dead_letters")).content.decode()
    assert "?kind=test.note" in page
    url = reverse("admin:ops_dead_letters_done")
    form = root.get(url, {"kind": "test.note"}).context["form"]
    given = {"kind": "test.note", "upto": form["upto"].value()}
    assert root.post(url, given | {"reason": ""}).status_code == 200
    assert not Audit.objects.exists()
    die(seconds=0)  # after the page was opened
    answer = root.post(url, given | {"reason": "cards expired"}, follow=True)
    assert "2 dead jobs dealt with." in answer.content.decode()
    entry = Audit.objects.get()
    assert (entry.verb, entry.target_id, entry.count, entry.reason) == (
        *("dead_letters.acknowledge", "test.note", 2),
        "cards expired",
    )
    assert entry.actor == root.user
    found = payload.build_payload(root.user, window="15m")["dead"]
    assert (found["count"], found["open"]["count"]) == (4, 2)
    assert sorted(found["open"]["kinds"]) == [("test.noop", 1), ("test.note", 1)]


def test_who_may_not_retry_may_not_say_that_it_is_dealt_with(client):
    """A viewer looks on."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_job"))
    client.force_login(user)
    die()
    page = client.get(reverse("admin:ops_dead_letters"))
    assert "Dealt with" not in page.content.decode()
    url = reverse("admin:ops_dead_letters_done")
    assert client.post(url, {"upto": "2030-01-01", "reason": "x"}).status_code == 403
    assert not Audit.objects.exists()


def test_the_command_line_does_the_same():
    """Where the admin does not work."""
    die(count=2)
    out = StringIO()
    call_command("jobs", "acknowledge", "--reason", "known", stdout=out)
    assert out.getvalue().strip() == "2 dead jobs dealt with"
    assert list(platform.check_dead_letters()) == []


def test_a_reason_is_asked_for_and_the_future_is_not_dealt_with():
    """Nobody can know why what is yet to die will."""
    with pytest.raises(InvalidOption, match="Say why"):
        dead.acknowledge_dead(actor="ann", reason=" ")
    dead.acknowledge_dead(actor="ann", reason="all of it", upto=clock.db_now() + timedelta(days=1))
    with clock.offset_clock(timedelta(hours=1)):
        die(seconds=0)
        assert len(list(platform.check_dead_letters())) == 1


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 jobs wait"), (1, "1 job waits"), (2500, "2,500 jobs wait")]
)
def test_one_is_one_and_thousands_are_readable(number, text):
    """As people write."""
    assert phrases.waits(number) == text
