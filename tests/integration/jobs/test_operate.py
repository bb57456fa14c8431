"""The operators' verbs."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from celeriac import (
    InvalidOption,
    JobNotFound,
    Superseded,
    TransitionRefused,
    UnknownQueue,
    cancel,
    pause_queue,
    resume_queue,
    retry,
)
from celeriac.console.actions import runner, services
from celeriac.console.actions.services import bulk_finish, bulk_start
from celeriac.core import clock
from celeriac.core.models import Audit
from celeriac.jobs import nudge
from celeriac.jobs.models import Attempt, Job, Queue
from celeriac.jobs.operating.actions import ACTIONS
from celeriac.jobs.operating.operate import act_on_job
from celeriac.settings import conf
from tests.factories import AttemptFactory, JobFactory, UserFactory

pytestmark = pytest.mark.django_db

TERMINAL = ("succeeded", "dead", "cancelled")


def change(job_id, name="priority", **options):
    """Do one of the actions on jobs that wait."""
    return act_on_job(ACTIONS[name], job_id, **options)


@pytest.fixture
def told(monkeypatch):
    """Collect the ids and queues of all nudges."""
    found = []
    monkeypatch.setattr(nudge, "nudge_jobs", lambda *, ids: found.extend(ids))
    monkeypatch.setattr(nudge, "nudge_queues", lambda *, queues: found.extend(queues))
    return found


def test_a_queued_job_is_cancelled_at_once():
    """It ends with its reason, and an audit row names who did it."""
    user = UserFactory()
    job = cancel(JobFactory().id, actor=user, reason="duplicate")
    assert (job.state, job.error, job.is_finished) == ("cancelled", "cancelled: duplicate", True)
    entry = Audit.objects.get()
    assert (entry.verb, entry.actor, entry.target_id) == ("job.cancel", user, str(job.id))
    assert entry.reason == "duplicate"


def test_a_running_job_is_asked_to_stop_and_keeps_its_claim():
    """Asking twice keeps the first moment."""
    before = JobFactory(state="running")
    job = cancel(before.id)
    assert (job.state, job.claim_id) == ("running", before.claim_id)
    assert cancel(before.id).cancel_requested_at == job.cancel_requested_at is not None
    assert not Audit.objects.exists()


@pytest.mark.parametrize("state", TERMINAL)
def test_an_ended_job_can_not_be_cancelled(state):
    """The error names the state."""
    with pytest.raises(TransitionRefused, match=f"is {state}"):
        cancel(JobFactory(state=state).id)


@pytest.mark.parametrize("verb", [cancel, retry, lambda job_id: change(job_id, priority=1)])
def test_an_unknown_job_is_not_found(verb):
    """Whatever is asked of it."""
    with pytest.raises(JobNotFound):
        verb(uuid4())


@pytest.mark.parametrize("state", ["dead", "cancelled"])
def test_a_retry_starts_afresh_and_keeps_the_history(state, told):
    """Failures and losses go, attempts stay; a past expiry does not bind it again."""
    old = JobFactory(
        state=state,
        attempt=4,
        failures=3,
        losses=2,
        error="no luck",
        result={"x": 1},
        expires_at=timezone.now() - timedelta(days=1),
        cancel_requested_at=timezone.now(),
        superseded_by=uuid4(),
    )
    AttemptFactory(job=old, number=4)
    job = retry(old.id, actor="cli", reason="fixed")
    assert (job.state, job.attempt, job.failures, job.losses) == ("queued", 4, 0, 0)
    assert (job.error, job.result, job.expires_at) == ("", None, None)
    assert (job.cancel_requested_at, job.superseded_by, job.finished_at) == (None, None, None)
    assert job.run_at <= clock.db_now()
    assert Attempt.objects.filter(job=job).count() == 1
    assert told == [job.id]
    assert Audit.objects.get().verb == "job.retry"


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_only_a_job_that_ended_badly_is_retried(state):
    """The error names the state, and no audit row is left."""
    with pytest.raises(TransitionRefused, match=f"is {state}"):
        retry(JobFactory(state=state).id, actor="cli")
    assert not Audit.objects.exists()


def test_a_retry_is_refused_while_its_unique_key_is_queued():
    """The refusal names the other job."""
    old = JobFactory(state="dead", unique_key="u")
    new = JobFactory(unique_key="u")
    with pytest.raises(Superseded, match=str(new.id)) as caught:
        retry(old.id)
    assert caught.value.details["job_id"] == str(new.id)


def test_a_retry_over_a_filter_takes_one_of_each_unique_key():
    """The newest goes; those whose key is queued stay."""
    JobFactory(state="dead", unique_key="u")
    newest = JobFactory(state="dead", unique_key="u")
    JobFactory(state="dead", unique_key="v")
    JobFactory(unique_key="v")
    plain = JobFactory.create_batch(3, state="cancelled")
    JobFactory(state="succeeded")
    chosen = {"kind": ["test.note"]}
    assert bulk_start(verb="retry", filter=chosen, actor="cli", reason="why").changed == 4
    queued = set(Job.objects.queued().exclude(unique_key="v").values_list("id", flat=True))
    assert queued == {newest.id, *(job.id for job in plain)}
    entry = Audit.objects.get()
    assert (entry.count, entry.filter, entry.reason) == (4, {"kind": ["test.note"]}, "why")


def test_a_filter_is_worked_off_in_batches(monkeypatch):
    """By the command itself, each job once; jobs that the action can't move are left."""
    monkeypatch.setattr(runner, "BATCH", 3)
    monkeypatch.setattr(services, "AT_ONCE", 0)
    JobFactory.create_batch(7)
    JobFactory(state="running")
    JobFactory(state="dead")
    bulk = bulk_start(verb="cancel", filter={"queue": ["default"]}, actor="cli", reason="")
    assert (bulk.state, bulk.changed) == ("waiting", 0)
    assert bulk_finish(bulk).changed == 8
    assert Job.objects.filter(state="cancelled").count() == 7
    assert Audit.objects.get().count == 8


def test_a_queued_job_changes_queue_priority_and_time(told):
    """The audit rows say what changed."""
    later = timezone.now() + timedelta(days=1)
    job = change(JobFactory(run_at=later).id, "queue", queue="payments", actor="cli")
    job = change(job.id, priority=50, actor="cli")
    assert (job.queue, job.priority, job.run_at) == ("payments", 50, later)
    job = change(job.id, "run_now", actor="cli")
    assert job.run_at <= clock.db_now()
    assert told == [job.id] * 3
    assert list(Audit.objects.order_by("at").values_list("details", flat=True)) == [
        {"queue": "payments"},
        {"priority": 50},
        {"run_now": True},
    ]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("priority", {}),
        ("priority", {"priority": 1000}),
        ("queue", {}),
        ("queue", {"queue": "nowhere"}),
    ],
)
def test_a_change_that_does_not_fit_is_refused(name, values):
    """As at the door."""
    with pytest.raises((InvalidOption, UnknownQueue)):
        change(JobFactory().id, name, **values)


def test_a_running_job_can_not_be_changed():
    """It has started already."""
    with pytest.raises(TransitionRefused):
        change(JobFactory(state="running").id, priority=1)


def test_a_queue_is_paused_and_resumed(told):
    """Who, why and until when stand in its row and in the audit trail."""
    until = timezone.now() + timedelta(hours=1)
    row = pause_queue("payments", reason="gateway is down", actor="ada", until=until)
    assert (row.paused_by, row.pause_reason, row.paused_until) == ("ada", "gateway is down", until)
    assert Queue.objects.paused().get() == row
    row = resume_queue("payments", actor="ada")
    assert (row.paused_at, row.pause_reason) == (None, "")
    assert list(Audit.objects.order_by("at").values_list("verb", flat=True)) == [
        "queue.pause",
        "queue.resume",
    ]
    assert told == ["payments", "payments"]


def test_a_pause_that_makes_no_sense_is_refused():
    """Unknown queues are named, and an end in the past."""
    with pytest.raises(UnknownQueue, match="payments"):
        pause_queue("payment", reason="", actor="ada")
    past = timezone.now() - timedelta(hours=1)
    with pytest.raises(InvalidOption, match="passed"):
        pause_queue("payments", reason="", actor="ada", until=past)
    with pytest.raises(InvalidOption, match="Say why"):
        pause_queue("payments", reason=" ", actor="ada")


def test_every_declared_queue_has_a_row(settings):
    """Migrations made them; a row that exists stays as it is."""
    assert set(Queue.objects.values_list("name", flat=True)) >= set(conf.QUEUES)
