"""Enqueueing on real transactions of several connections."""

import threading
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, connections, transaction

from celeriac import (
    EnqueueBusy,
    IdempotencyConflict,
    Superseded,
    WrongTransaction,
    cancel,
    enqueue_many,
    retry,
)
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Job, JobKey
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.execute import capabilities
from tests.support.threads import (
    at_once,
    held_open,
    someone_waits_for_a_lock,
    threads,
    wait_until,
)

pytestmark = pytest.mark.django_db(transaction=True)

NOTE = {"name": "a"}


def claimed(job):
    """Return whether a worker that is rung for the job gets it."""
    return bool(claim_jobs([job.id], claim_id=uuid4(), worker=uuid4(), known=capabilities()))


def lock_timeout():
    """Return this session's lock_timeout."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return cursor.fetchone()[0]


def test_a_job_exists_exactly_when_its_transaction_committed():
    """Others see nothing before the commit, the job after it, and nothing after a rollback."""
    with held_open(lambda: enqueue("test.note", NOTE)) as (job, commit):
        assert not Job.objects.exists()
        commit()
        assert Job.objects.get().id == job.id
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012 both lines matter
        enqueue("test.note", NOTE, unique_key="u", idempotency_key="k")
        raise IntegrityError
    assert Job.objects.count() == 1
    assert not JobKey.objects.exists()


def test_fifty_enqueues_of_one_unique_key_make_one_queued_job():
    """Nobody gets an error, all get the same job."""
    jobs = at_once(50, lambda number: enqueue("test.note", {"name": str(number)}, unique_key="u"))
    assert len({job.id for job in jobs}) == 1
    assert sum(not job.absorbed for job in jobs) == 1
    assert Job.objects.count() == 1


def test_twenty_calls_with_one_idempotency_key_make_one_job():
    """One made it, the others got it."""
    jobs = at_once(20, lambda number: enqueue("test.note", NOTE, idempotency_key="k"))
    assert len({job.id for job in jobs}) == 1
    assert sum(not job.replayed for job in jobs) == 1
    assert Job.objects.count() == JobKey.objects.count() == 1


def test_a_call_waits_for_the_transaction_that_holds_its_key():
    """Once that has committed it gets the same job."""
    with (
        threads(1) as start,
        held_open(lambda: enqueue("test.note", NOTE, idempotency_key="k")) as (job, commit),
    ):
        second = start(lambda: enqueue("test.note", NOTE, idempotency_key="k"))
        wait_until(someone_waits_for_a_lock)
        commit()
        assert second.result(30).id == job.id


def test_a_call_with_other_arguments_waits_and_is_refused():
    """The error names the job that has the key."""
    with (
        threads(1) as start,
        held_open(lambda: enqueue("test.note", NOTE, idempotency_key="n")) as (job, commit),
    ):
        other = start(_refused, {"name": "b"})
        wait_until(someone_waits_for_a_lock)
        commit()
        assert str(job.id) in other.result(30)


def _refused(args):
    with pytest.raises(IdempotencyConflict) as caught:
        enqueue("test.note", args, idempotency_key="n")
    return str(caught.value)


def test_a_hit_holds_the_job_until_the_callers_change_is_visible():
    """No claim takes the row before the commit; after it the run sees the change."""
    job = enqueue("test.note", NOTE, unique_key="u")
    with held_open(lambda: enqueue("test.note", NOTE, unique_key="u")) as (hit, commit):
        assert hit.id == job.id
        assert not claimed(job)
        commit()
        assert claimed(job)


def test_an_enqueue_that_meets_a_claim_makes_a_job_of_its_own():
    """The running job may have missed the change; no error reaches the caller."""
    job = enqueue("test.note", NOTE, unique_key="u")
    with held_open(lambda: claimed(job)) as (taken, commit):
        assert taken
        with threads(1) as start:
            second = start(lambda: enqueue("test.note", NOTE, unique_key="u"))
            wait_until(someone_waits_for_a_lock)
            commit()
            new = second.result(30)
    assert new.id != job.id
    assert not new.absorbed
    assert Job.objects.queued().get().id == new.id


def test_enqueues_and_claims_of_one_key_never_collide():
    """Under a storm of both every call gets a job, and at most one is queued."""
    finished = []
    over = threading.Event()

    def worker():
        while not over.is_set():
            ids = list(Job.objects.queued().values_list("id", flat=True))
            claim_jobs(ids, claim_id=uuid4(), worker=uuid4(), known=capabilities())

    def caller():
        try:
            return [enqueue("test.note", NOTE, unique_key="u") for _ in range(40)]
        finally:
            finished.append(None)
            if len(finished) == 3:
                over.set()

    results = at_once(6, lambda number: caller() if number % 2 else worker())
    ids = {job.id for jobs in results if jobs for job in jobs}
    assert ids == set(Job.objects.values_list("id", flat=True))
    assert Job.objects.queued().count() <= 1
    assert len(ids) > 1


@pytest.mark.parametrize("key", ["unique_key", "idempotency_key"])
def test_a_key_held_too_long_is_busy_and_leaves_the_transaction_usable(settings, key):
    """What was done before stays, what follows works, lock_timeout is as before."""
    settings.CELERIAC = {**settings.CELERIAC, "LOCK_TIMEOUT_SECONDS": 0.1}
    with held_open(lambda: enqueue("test.note", NOTE, **{key: "k"})):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '7s'")
            before = enqueue("test.note", {"name": "before"})
            with pytest.raises(EnqueueBusy, match="'k'"):
                enqueue("test.note", NOTE, **{key: "k"})
            assert lock_timeout() == "7s"
            enqueue("test.note", NOTE, **{key: "free"})
            assert lock_timeout() == "7s"
        with pytest.raises(EnqueueBusy):
            enqueue("test.note", NOTE, **{key: "k"})
        assert lock_timeout() == "0"
        assert Job.objects.filter(id=before.id).exists()
        assert Job.objects.count() == 2


def test_an_operator_does_not_wait_forever_for_a_row(settings):
    """A cancel of a job that a caller holds is busy, too."""
    settings.CELERIAC = {**settings.CELERIAC, "LOCK_TIMEOUT_SECONDS": 0.1}
    job = enqueue("test.note", NOTE, unique_key="u")
    with (
        held_open(lambda: enqueue("test.note", NOTE, unique_key="u")),
        pytest.raises(EnqueueBusy, match=str(job.id)),
    ):
        cancel(job.id)
    assert cancel(job.id).state == "cancelled"


def test_a_retry_that_meets_an_enqueue_of_its_key_is_refused():
    """The enqueue was not visible when the retry looked; the index knows all the same."""
    old = enqueue("test.note", NOTE, unique_key="u")
    Job.objects.filter(id=old.id).update(state="dead", finished_at=old.created_at)
    with (
        threads(1) as start,
        held_open(lambda: enqueue("test.note", NOTE, unique_key="u")) as (new, commit),
    ):
        second = start(_superseded, old.id)
        wait_until(someone_waits_for_a_lock)
        commit()
        assert second.result(30) == str(new.id)


def _superseded(job_id):
    with pytest.raises(Superseded) as caught:
        retry(job_id)
    return caught.value.details["job_id"]


def test_batches_that_share_keys_in_any_order_do_not_deadlock():
    """Keys are taken in sorted order."""
    keys = [f"k{number}" for number in range(200)]

    def batch(number):
        mine = keys if number % 2 else keys[::-1]
        with transaction.atomic():
            return enqueue_many(
                "test.note", [NOTE] * len(mine), unique_keys=mine, idempotency_keys=mine
            )

    results = at_once(6, batch)
    assert len({job.id for jobs in results for job in jobs}) == 200
    assert Job.objects.count() == 200


def test_a_transaction_of_another_database_is_refused_unless_meant():
    """The job would outlive a rollback there; nested in our own all is well."""
    other = connections["default"].copy(alias="other")
    other.in_atomic_block = True
    connections.settings["other"] = other.settings_dict
    connections["other"] = other
    try:
        with pytest.raises(WrongTransaction, match="'other'"):
            enqueue("test.note", NOTE)
        with pytest.raises(WrongTransaction):
            enqueue_many("test.note", [NOTE])
        enqueue("test.note", NOTE, detached=True)
        with transaction.atomic():
            enqueue("test.note", NOTE)
    finally:
        del connections["other"]
        del connections.settings["other"]
    assert Job.objects.count() == 2
