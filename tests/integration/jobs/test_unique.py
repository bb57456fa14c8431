"""Our promise of uniqueness: no second queued job of a kind and key."""

from datetime import UTC, datetime, timedelta

import pytest

from celeriac import enqueue_many
from celeriac.jobs import nudge
from celeriac.jobs.enqueueing.enqueue import enqueue_drafts, enqueue_job as enqueue, prepare_many
from celeriac.jobs.models import Job
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

LATER = datetime(2098, 1, 1, tzinfo=UTC)
LATEST = datetime(2099, 1, 1, tzinfo=UTC)


def sync(account: str, region: str = "eu", depth: int = 0):
    """Synchronise an account."""


@pytest.fixture(autouse=True)
def kind(declare):
    """Declare a kind without templates."""
    return declare(sync, "test.sync")


def test_a_hit_returns_the_queued_job_with_its_own_arguments():
    """The second call's arguments are dropped, and it says so."""
    first = enqueue("test.sync", {"account": "a"}, unique_key="u")
    second = enqueue("test.sync", {"account": "b"}, unique_key="u")
    assert (second.id, second.args, second.absorbed) == (first.id, {"account": "a"}, True)
    assert not first.absorbed
    assert Job.objects.count() == 1


def test_replace_gives_the_queued_job_the_new_arguments():
    """It keeps the higher priority of the two."""
    first = enqueue("test.sync", {"account": "a"}, unique_key="u", priority=5)
    enqueue("test.sync", {"account": "b"}, unique_key="u", priority=1, replace=True)
    job = Job.objects.get()
    assert (job.id, job.args, job.priority) == (first.id, {"account": "b"}, 5)


def test_replaced_arguments_bring_their_lock_along(declare):
    """Or the job would run beside others of what it works on now."""
    declare(sync, "test.sync", unique="{account}", lock="region:{region}")
    enqueue("test.sync", {"account": "a", "region": "eu"})
    enqueue("test.sync", {"account": "a", "region": "us"}, replace=True)
    assert Job.objects.get().lock_key == "region:us"
    enqueue("test.sync", {"account": "a", "region": "eu"})
    assert Job.objects.get().lock_key == "region:us"
    both = prepare_many(
        ("test.sync", {"account": "b", "region": region}, {"replace": True})
        for region in ("eu", "us")
    )
    assert enqueue_drafts(both)[1].lock_key == "region:us"


def test_a_hit_brings_the_start_forward_and_never_back():
    """The sooner of the two times holds."""
    enqueue("test.sync", {"account": "a"}, unique_key="u", run_at=LATER)
    assert enqueue("test.sync", {"account": "a"}, unique_key="u", run_at=LATEST).run_at == LATER
    soon = enqueue("test.sync", {"account": "a"}, unique_key="u")
    assert soon.run_at < LATER
    assert Job.objects.get().run_at == soon.run_at


def test_a_hit_is_not_lost_to_the_queued_jobs_expiry():
    """Who asked for no deadline gets none; else the later one holds."""
    enqueue("test.sync", {"account": "a"}, unique_key="u", expires_at=LATER)
    enqueue("test.sync", {"account": "a"}, unique_key="u", expires_at=LATEST)
    assert Job.objects.get().expires_at == LATEST
    enqueue("test.sync", {"account": "a"}, unique_key="u")
    assert Job.objects.get().expires_at is None


@pytest.mark.parametrize("state", ["running", "succeeded", "dead", "cancelled"])
def test_only_a_queued_job_absorbs_another(state):
    """A running one may have missed the change already."""
    old = JobFactory(kind="test.sync", unique_key="u", state=state)
    assert enqueue("test.sync", {"account": "a"}, unique_key="u").id != old.id


def test_the_same_key_of_another_kind_is_another_key(declare):
    """Keys are the kind's own."""
    declare(lambda: None, "test.other")
    first = enqueue("test.sync", {"account": "a"}, unique_key="u")
    assert enqueue("test.other", {}, unique_key="u").id != first.id


def test_a_hit_is_nudged_by_its_id(monkeypatch):
    """It may have been rung in vain while its row was held."""
    told = []
    first = enqueue("test.sync", {"account": "a"}, unique_key="u")
    monkeypatch.setattr(nudge, "nudge_after_commit", lambda **news: told.append(news))
    enqueue("test.sync", {"account": "a"}, unique_key="u")
    assert [news.get("unique_hit") for news in told] == [first.id]


def test_templates_make_keys_from_arguments_and_defaults(declare):
    """What the caller left out stands in the key by its default."""
    declare(sync, "test.keyed", unique="sync:{account}:{region}", lock="account:{account}")
    job = enqueue("test.keyed", {"account": "a"})
    assert (job.unique_key, job.lock_key) == ("sync:a:eu", "account:a")
    same = enqueue("test.keyed", {"account": "a", "region": "eu"})
    assert same.id == job.id
    own = enqueue("test.keyed", {"account": "a"}, unique_key="mine", lock_key="also")
    assert (own.unique_key, own.lock_key) == ("mine", "also")


def test_different_arguments_never_share_a_key(declare):
    """Separators within values are escaped where a template names several."""
    declare(sync, "test.keyed", unique="{account}:{region}")
    first = enqueue("test.keyed", {"account": "a:b", "region": "c"})
    second = enqueue("test.keyed", {"account": "a", "region": "b:c"})
    assert first.unique_key != second.unique_key


def test_a_key_too_long_for_the_index_ends_in_a_digest(declare):
    """Long values stay distinct."""
    declare(sync, "test.keyed", unique="{account}")
    first = enqueue("test.keyed", {"account": "x" * 5000})
    second = enqueue("test.keyed", {"account": "x" * 5001})
    assert first.id != second.id
    assert len(first.unique_key) <= 500


def test_a_batch_may_name_one_key_twice(declare):
    """The second is one with the first, with replace its arguments win."""
    declare(sync, "test.keyed", unique="{account}")
    args = [{"account": "a"}, {"account": "b"}, {"account": "a", "depth": 2}]
    jobs = enqueue_many("test.keyed", args)
    assert jobs[0].id == jobs[2].id
    assert (jobs[0].absorbed, jobs[2].absorbed) == (False, True)
    assert Job.objects.count() == 2
    enqueue_many("test.keyed", args, replace=True)
    assert Job.objects.get(id=jobs[0].id).args == {"account": "a", "depth": 2}


def test_a_batch_with_one_key_and_different_times_takes_the_soonest(declare):
    """What one statement can't fold follows in the next."""
    declare(sync, "test.keyed", unique="{account}")
    drafts = prepare_many(
        [
            ("test.keyed", {"account": "a"}, {"run_at": LATEST}),
            ("test.keyed", {"account": "a"}, {"run_at": LATER}),
        ]
    )
    jobs = enqueue_drafts(drafts)
    assert jobs[0].id == jobs[1].id
    assert Job.objects.get().run_at == LATER


def test_an_idempotency_key_of_an_absorbed_call_names_the_job_it_hit():
    """The caller's retry gets the job that does its work."""
    first = enqueue("test.sync", {"account": "a"}, unique_key="u")
    hit = enqueue("test.sync", {"account": "b"}, unique_key="u", idempotency_key="k")
    again = enqueue("test.sync", {"account": "b"}, unique_key="u", idempotency_key="k")
    assert hit.id == again.id == first.id
    assert again.replayed


def test_a_job_that_waits_to_retry_is_brought_forward():
    """A hit means new work now; the backoff of the old failure ends."""
    old = JobFactory(
        kind="test.sync", unique_key="u", attempt=1, failures=1, run_at=LATER, args={"account": "a"}
    )
    hit = enqueue("test.sync", {"account": "a"}, unique_key="u")
    assert hit.id == old.id
    assert hit.run_at < LATER - timedelta(days=1)
    assert (hit.attempt, hit.failures) == (1, 1)
