"""The caller's promise of uniqueness: the same key, the same job."""

import pytest

from celeriac import IdempotencyConflict, enqueue_many
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Job, JobKey

pytestmark = pytest.mark.django_db


def pay(amount: int, tags: set[str] = frozenset(), note: dict | None = None):
    """Pay."""


@pytest.fixture(autouse=True)
def kind(declare):
    """Declare a kind, and one like it."""
    declare(pay, "test.pay_other")
    return declare(pay, "test.pay", aliases=("test.pay_old",))


def test_the_same_key_and_arguments_are_the_same_job():
    """Whatever became of the job meanwhile."""
    job = enqueue("test.pay", {"amount": 5}, idempotency_key="k")
    Job.objects.filter(id=job.id).update(state="dead", finished_at=job.created_at)
    again = enqueue("test.pay", {"amount": 5}, idempotency_key="k")
    assert (again.id, again.state, again.replayed) == (job.id, "dead", True)
    assert not job.replayed
    assert Job.objects.count() == JobKey.objects.count() == 1


def test_the_same_key_with_other_arguments_is_refused_and_names_the_job():
    """The transaction stays usable."""
    job = enqueue("test.pay", {"amount": 5}, idempotency_key="k")
    with pytest.raises(IdempotencyConflict, match=str(job.id)) as caught:
        enqueue("test.pay", {"amount": 6}, idempotency_key="k")
    assert caught.value.details["job_id"] == str(job.id)
    with pytest.raises(IdempotencyConflict):
        enqueue("test.pay_other", {"amount": 5}, idempotency_key="k")
    assert Job.objects.count() == 1


def test_arguments_are_compared_as_validated():
    """Order, spelling and the order of a set make no difference."""
    first = enqueue(
        "test.pay",
        {"amount": "5", "tags": ["b", "a", "c"], "note": {"x": 1, "y": 2}},
        idempotency_key="k",
    )
    again = enqueue(
        "test.pay_old",
        {"note": {"y": 2, "x": 1}, "tags": {"c", "b", "a"}, "amount": 5},
        idempotency_key="k",
    )
    assert again.id == first.id


def test_scopes_keep_keys_apart():
    """Tenants, accounts and parent jobs have keys of their own."""
    ids = {
        enqueue("test.pay", {"amount": 5}, idempotency_key="k").id,
        enqueue("test.pay", {"amount": 5}, idempotency_key="k", tenant="acme").id,
        enqueue("test.pay", {"amount": 5}, idempotency_key="k", scope="job:1").id,
    }
    assert len(ids) == 3
    assert enqueue("test.pay", {"amount": 5}, idempotency_key="k", tenant="acme").replayed


def test_a_key_whose_job_was_deleted_by_hand_is_free_again():
    """A key never points into nothing for long."""
    job = enqueue("test.pay", {"amount": 5}, idempotency_key="k")
    Job.objects.filter(id=job.id).delete()
    new = enqueue("test.pay", {"amount": 6}, idempotency_key="k")
    assert JobKey.objects.get().job_id == new.id


def test_a_batch_may_repeat_a_key():
    """Once with the same arguments, never with others."""
    jobs = enqueue_many("test.pay", [{"amount": 1}, {"amount": 1}], idempotency_keys=["k", "k"])
    assert jobs[0].id == jobs[1].id
    assert Job.objects.count() == 1
    with pytest.raises(IdempotencyConflict):
        enqueue_many("test.pay", [{"amount": 1}, {"amount": 2}], idempotency_keys=["n", "n"])
    assert Job.objects.count() == 1


def test_a_key_outlives_the_rename_of_its_kind(declare):
    """A caller that repeats its call after the deploy meets the same job."""

    def handler(number: int) -> None:
        """Do nothing."""

    declare(handler, "test.before")
    first = enqueue("test.before", {"number": 1}, idempotency_key="k")
    registry.forget_kind("test.before")
    declare(handler, "test.after", aliases=("test.before",))
    assert enqueue("test.after", {"number": 1}, idempotency_key="k").id == first.id
    assert enqueue("test.before", {"number": 1}, idempotency_key="k").id == first.id
    with pytest.raises(IdempotencyConflict):
        enqueue("test.after", {"number": 2}, idempotency_key="k")
