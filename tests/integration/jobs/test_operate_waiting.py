"""Why a job waits, and what the queues hold."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from celeriac import pause_queue
from celeriac.breakers.models import Breaker
from celeriac.console.explaining.explain import view_of_job, waiting_reasons
from celeriac.jobs.models import Queue, Worker
from celeriac.jobs.operating.selectors import queue_depths, recent_endings
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

FUTURE = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture
def served():
    """Let a worker and a dispatcher serve the default queue."""
    Queue.objects.filter(name="default").update(lease_until=FUTURE)
    return Worker.objects.create(
        name="w@h", host="h", pid=1, queues=["default"], slots=2,
        kinds=["test.note", "test.locked", "test.guarded"], beat_at=FUTURE,
    )  # fmt: skip


def reason(job):
    """Return the one reason for which a job waits."""
    (wait,) = waiting_reasons(job)
    return wait


def test_a_job_that_nothing_holds_waits_for_its_turn(served):
    """And one that runs or has ended waits for nothing."""
    job = JobFactory()
    assert (reason(job).code, view_of_job(job)) == ("turn", "queued")
    assert waiting_reasons(JobFactory(state="running")) == []
    assert waiting_reasons(JobFactory(state="dead")) == []
    assert view_of_job(JobFactory(state="dead")) == "dead"


def test_a_time_ahead_is_named_with_the_reason_it_was_set_for(served):
    """Scheduled, retrying, snoozed."""
    job = JobFactory(run_at=FUTURE)
    assert reason(job).sentence == "is scheduled at 2099-01-01 00:00:00 UTC"
    assert view_of_job(job) == "scheduled"
    again = JobFactory(run_at=FUTURE, attempt=2, wait_reason="not yet")
    assert reason(again).sentence == "runs again at 2099-01-01 00:00:00 UTC (not yet)"
    assert reason(again).until == FUTURE
    assert view_of_job(again) == "retrying"
    assert reason(JobFactory(wait_reason="its worker was stopped")).code == "returned"


def test_a_pause_is_named_with_who_why_and_until_when(served):
    """A pause that has ended holds nothing."""
    until = timezone.now() + timedelta(hours=1)
    pause_queue("default", reason="tea", actor="ada", until=until)
    job = JobFactory()
    assert (reason(job).code, reason(job).by, view_of_job(job)) == ("paused", "ada", "parked")
    assert "paused by ada until" in reason(job).sentence
    Queue.objects.filter(name="default").update(paused_until=timezone.now() - timedelta(hours=1))
    assert reason(job).code == "turn"


def test_an_open_circuit_is_named(served):
    """Until when, where that is known; half-open is said so."""
    Breaker.objects.update_or_create(
        name="payments", defaults={"state": "open", "open_until": FUTURE}
    )
    job = JobFactory(kind="test.guarded")
    assert (reason(job).code, reason(job).until, view_of_job(job)) == ("circuit", FUTURE, "parked")
    Breaker.objects.filter(name="payments").update(open_until=timezone.now())
    assert reason(job).code == "probe"


def test_the_holder_of_a_lock_is_named(served):
    """By its id."""
    holder = JobFactory(state="running", lock_key="account:1")
    job = JobFactory(kind="test.locked", lock_key="account:1")
    assert (reason(job).code, reason(job).by, view_of_job(job)) == (
        "lock",
        str(holder.id),
        "parked",
    )
    assert reason(JobFactory(kind="test.locked", lock_key="account:2")).code == "turn"


def test_a_missing_worker_kind_or_dispatcher_is_named(served):
    """Each in words of its own."""
    codes = {wait.code for wait in waiting_reasons(JobFactory(kind="test.nobody_knows"))}
    assert codes == {"unknown_kind", "no_worker"}
    assert "knows 'test.noop'" in reason(JobFactory(kind="test.noop")).sentence
    Worker.objects.update(beat_at=timezone.now() - timedelta(minutes=5))
    Queue.objects.update(lease_until=None)
    assert {wait.code for wait in waiting_reasons(JobFactory())} == {"no_worker", "no_dispatcher"}


def test_an_expired_or_superseded_job_says_so(served):
    """The first will be cancelled, the second has been."""
    assert reason(JobFactory(expires_at=timezone.now() - timedelta(hours=1))).code == "expired"
    other = uuid4()
    job = JobFactory(state="cancelled", superseded_by=other)
    assert (reason(job).code, reason(job).by) == ("superseded", str(other))


def test_depths_count_each_job_once_by_what_it_waits_for():
    """And know the oldest due one and the pause."""
    old = timezone.now() - timedelta(minutes=10)
    JobFactory(run_at=old)
    JobFactory(run_at=FUTURE)
    JobFactory(attempt=1)
    JobFactory(state="running", lock_key="l")
    JobFactory(lock_key="l")
    JobFactory(kind="test.nobody_knows")
    JobFactory(queue="payments")
    JobFactory(queue="left_over")
    JobFactory(state="dead")
    pause_queue("payments", reason="tea", actor="ada")
    depths = {depth.queue: depth for depth in queue_depths()}
    found = depths["default"]
    assert (found.queued, found.scheduled, found.retrying) == (1, 1, 1)
    assert (found.parked, found.running, found.waiting) == (2, 1, 5)
    assert 590 < found.oldest_seconds < 700
    assert (depths["payments"].parked, depths["payments"].pause_reason) == (1, "tea")
    assert depths["left_over"].queued == 1
    assert depths["maintenance"].waiting == 0


def test_a_kind_behind_an_open_circuit_is_counted_as_parked():
    """As the claim sees it."""
    Breaker.objects.update_or_create(
        name="payments", defaults={"state": "open", "open_until": FUTURE}
    )
    JobFactory(kind="test.guarded")
    assert {depth.queue: depth.parked for depth in queue_depths()}["default"] == 1


def test_recent_endings_are_counted_by_kind_and_state():
    """With the median run time; older ones are not."""
    moment = timezone.now()
    for seconds in (1, 2, 3):
        JobFactory(
            state="succeeded", started_at=moment - timedelta(seconds=seconds), finished_at=moment
        )
    JobFactory(state="dead", finished_at=moment - timedelta(hours=1))
    JobFactory(state="cancelled", started_at=None)
    found = {row.state: row for row in recent_endings()}
    assert set(found) == {"succeeded", "cancelled"}
    assert (found["succeeded"].count, found["succeeded"].median_seconds) == (3, 2.0)
    assert found["cancelled"].median_seconds is None
