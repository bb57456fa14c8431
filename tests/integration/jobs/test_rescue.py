"""Who is lost, and what becomes of the job; and what expires."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from celeriac.core.clock import Now
from celeriac.jobs.dispatching.expire import expire_jobs
from celeriac.jobs.dispatching.rescue import find_lost_runs, rescue_lost_runs
from celeriac.jobs.models import Attempt, Job, Sign, Worker
from tests.integration.jobs.dispatching import hire, queued
from tests.support.threads import held_open

pytestmark = pytest.mark.django_db


def ago(seconds):
    """Return a moment before now."""
    return timezone.now() - timedelta(seconds=seconds)


@pytest.fixture
def run():
    """Return a function that writes running jobs of one claim; it returns their ids."""

    def run(worker, *, started=0.5, many=1, kind="test.noop", claim_id=None, **columns):
        ids = queued(kind, many=many, **columns)
        Job.objects.filter(id__in=ids).update(
            state="running",
            attempt=1,
            worker=worker,
            claim_id=claim_id or uuid4(),
            started_at=ago(started),
        )
        return ids

    return run


def beats(worker, *, last, before=None):
    """Let the worker have beaten `last` seconds ago, and `before` that."""
    Worker.objects.filter(id=worker).update(
        beat_at=ago(last), previous_beat_at=ago(before or last + 5)
    )


def lost():
    """Return the ids of the jobs that are lost."""
    return {each.job.id for each in find_lost_runs()}


def test_a_living_worker_that_holds_its_claim_is_left_alone(run):
    """However old its claim, within its hard limit."""
    worker, claim_id = hire(), uuid4()
    run(worker, started=300, claim_id=claim_id)
    beats(worker, last=4)
    Worker.objects.filter(id=worker).update(claims=[claim_id])
    assert rescue_lost_runs() == []


def test_every_job_of_a_silent_workers_claims_has_one_loss(run):
    """Nobody knows which of them ran."""
    worker = hire()
    ids = run(worker, many=3)
    beats(worker, last=19)
    assert rescue_lost_runs() == []
    beats(worker, last=21)
    assert {run.job.id for run in rescue_lost_runs()} == set(ids)
    jobs = Job.objects.filter(id__in=ids)
    assert {(job.state, job.losses, job.failures, job.attempt) for job in jobs} == {
        ("queued", 1, 0, 1)
    }
    attempt = Attempt.objects.filter(job_id=ids[0]).get()
    assert attempt.outcome == "lost"
    assert "silent" in attempt.message
    assert rescue_lost_runs() == []


def test_a_stopped_workers_jobs_are_lost_at_once(run):
    """It said that it ends."""
    worker = hire(stopped_at=timezone.now())
    ids = run(worker)
    assert lost() == set(ids)


def test_a_worker_without_a_row_is_lost_after_a_lease(run):
    """Nobody can say that it lives."""
    young = run(uuid4(), started=5)
    old = run(uuid4(), started=25)
    assert lost() == set(old)
    assert young


def test_a_sign_of_life_counts_as_a_beat(run):
    """Of a worker whose row can't be written, or could not even be made."""
    for worker in (uuid4(), hire()):
        ids = run(worker, started=25)
        beats(worker, last=21, before=30)
        Sign.objects.create(worker=worker, given_at=ago(1))
        assert lost() == set()
        Sign.objects.filter(worker=worker).update(given_at=ago(21))
        assert lost() == set(ids)
        rescue_lost_runs()


def test_a_hard_limit_counts_from_when_the_worker_woke_up(run):
    """What was frozen with it had no time: limit 1 s, budget 1 s, and 15 s for its parent."""
    worker, claim_id = hire(), uuid4()
    Worker.objects.filter(id=worker).update(claims=[claim_id], woke_at=ago(10))
    ids = run(worker, kind="test.stubborn", started=40.0, claim_id=claim_id)
    assert lost() == set()
    Worker.objects.filter(id=worker).update(woke_at=ago(18))
    assert lost() == set(ids)


def test_a_claim_that_two_beats_did_not_list_is_lost(run):
    """Both taken after the claim; a claim between them may only be young."""
    worker = hire()
    beats(worker, last=1, before=6)
    between = run(worker, started=3)
    before = run(worker, started=8)
    assert lost() == set(before)
    assert between


def test_a_run_far_past_its_hard_limit_is_lost_though_its_worker_holds_it(run):
    """Limit 1 s, doorbell budget 1 s, and 15 s for the worker's own parent."""
    worker, claim_id = hire(), uuid4()
    Worker.objects.filter(id=worker).update(claims=[claim_id])
    run(worker, kind="test.stubborn", started=16.0, claim_id=claim_id)
    ids = run(worker, kind="test.stubborn", started=18.0, claim_id=claim_id)
    run(worker, kind="nobody.knows", started=10_000, claim_id=claim_id)
    assert lost() == set(ids)


def test_a_job_that_lost_too_often_ends_dead(run):
    """test.die may lose three runs."""
    worker = hire(stopped_at=timezone.now())
    (job_id,) = run(worker, kind="test.die", losses=2)
    rescue_lost_runs()
    job = Job.objects.get(id=job_id)
    assert (job.state, job.losses, job.failures) == ("dead", 3, 0)


def test_a_lost_job_that_was_to_be_cancelled_is_cancelled(run):
    """The request overtakes the rescue."""
    worker = hire(stopped_at=timezone.now())
    (job_id,) = run(worker, cancel_requested_at=timezone.now())
    rescue_lost_runs()
    assert Job.objects.get(id=job_id).state == "cancelled"


def test_a_job_that_is_not_started_by_its_deadline_is_cancelled():
    """And says so; those that ran, or have time, or none set, are left."""
    (late,) = queued(expires_at=ago(1))
    (ahead,) = queued(expires_at=ago(1), run_at=ago(-3600), queue="payments")
    left = queued(expires_at=ago(-60)) + queued(expires_at=ago(1), attempt=1) + queued()
    assert expire_jobs() == 2
    for job in Job.objects.filter(id__in=[late, ahead]):
        assert (job.state, job.attempt) == ("cancelled", 0)
        assert job.error.startswith("expired: not started by 20")
        assert job.finished_at is not None
    assert Job.objects.filter(id__in=left, state="queued").count() == 3
    assert expire_jobs() == 0


def test_expiry_goes_in_batches():
    """So that no transaction is long."""
    queued(many=5, expires_at=Now())
    assert [expire_jobs(most=2) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.django_db(transaction=True)
def test_a_lost_job_that_somebody_locks_holds_up_no_other(run):
    """Whose transaction stays open for minutes must not keep everyone else's jobs lost."""
    held, *others = run(uuid4(), started=60, many=3)
    with held_open(lambda: Job.objects.select_for_update().get(pk=held)):
        assert {run.job.id for run in rescue_lost_runs()} == set(others)
    assert [run.job.id for run in rescue_lost_runs()] == [held]
