"""A committed job goes straight to a child that waits, where nobody else decides about it."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from celeriac import enqueue, enqueue_many
from celeriac.breakers.models import Breaker
from celeriac.core.counting import counters
from celeriac.jobs import metrics, nudge, open_line
from celeriac.jobs.dispatching.line import DispatcherLine
from celeriac.jobs.dispatching.pending_doorbells import Doorbell
from celeriac.jobs.enqueueing import queues
from celeriac.jobs.models import Job
from celeriac.jobs.open_line import MOST_HANDED, OFFER, PREFIX, LineState
from tests.integration.jobs.dispatching import Harness, hire, queued
from tests.support.conf import configure

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("closed_clients")]


@pytest.fixture(autouse=True)
def speaks(settings):
    """Let every test speak, and wait for its answer though the machine is busy."""
    configure(settings, NUDGE_TIMEOUT_SECONDS=2.0)
    queues.make_queue_rows()
    nudge.reset()
    yield
    nudge.reset()


@pytest.fixture
def places(broker):
    """Return a function that offers so many places, and one for what lies in their mailboxes."""

    def offer(many=1, queue="default"):
        for number in range(many):
            OFFER(args=[f"child {number}", 1, queue], client=broker)

    return offer


@pytest.fixture
def handed(broker):
    """Return a function that returns the ids that were handed over since, sorted."""

    def ids():
        found = []
        for key in broker.keys(f"{PREFIX}mail:*"):
            while bell := broker.lpop(key):
                found += open_line.decode_doorbell(bell)[1]
        return sorted(found)

    return ids


def levels(nudges):
    """Return queue and priority of all news."""
    return [(queue, level) for each in nudges for queue, of in each.queues.items() for level in of]


def note(name="a", **options):
    """Enqueue a job that is due."""
    return enqueue("test.note", {"name": name}, **options).id


def test_a_job_is_handed_over_with_its_commit_and_nobody_else_hears_of_it(places, handed, sent):
    """Without a dispatcher's round; before the commit nobody is told."""
    places()
    with transaction.atomic():
        job = note()
        assert handed() == []
    assert handed() == [job]
    assert sent() == []


def test_without_a_place_the_dispatchers_hear_of_it(places, handed, sent):
    """As they would without a line; a place of another queue is none."""
    places(queue="payments")
    note()
    assert handed() == []
    assert levels(sent()) == [("default", 0)]


def test_the_jobs_of_a_transaction_go_in_one_call(places, handed, sent):
    """Those that find no place are left to the dispatcher; the others count as rung."""
    places(2)
    counters.process.take()
    with transaction.atomic():
        jobs = [note(), note(), note(priority=7)]
    assert handed() == sorted(jobs[:2])
    counted = counters.process.take()
    assert [rung for series, (rung, *_) in counted.items() if series[0] == metrics.RINGS] == [2]
    assert levels(sent()) == [("default", 0), ("default", 7)]


def test_more_than_a_few_jobs_are_a_backlog(places, handed, sent):
    """It is the dispatcher's to say who is first; so are those of enqueue_many."""
    places(3)
    with transaction.atomic():
        for _ in range(MOST_HANDED + 1):
            note()
    enqueue_many("test.note", [{"name": "a"}, {"name": "b"}])
    assert handed() == []
    assert levels(sent()) == [("default", 0), ("default", 0)]


def test_what_is_rolled_back_is_not_handed_over(places, handed, sent):
    """With the transaction, or with the savepoint that alone spoke of it."""
    places(2)
    with transaction.atomic():
        note()
        transaction.set_rollback(True)
    assert handed() == []
    with transaction.atomic():
        with transaction.atomic():
            note()
            transaction.set_rollback(True)
        kept = note()
    assert kept in handed()
    assert Job.objects.count() == 1
    assert sent() == []


def test_a_late_commit_is_told_to_the_dispatchers_too(places, handed, sent, monkeypatch):
    """What is lost of it they would not find by looking at what came of late."""
    places()
    monkeypatch.setattr(nudge, "LATE", 0.05)
    with transaction.atomic():
        job = note()
        time.sleep(0.1)
    found = handed()
    assert levels(sent()) == [("default", 0)]
    assert found in ([], [job])


def test_what_waits_or_is_locked_is_the_dispatchers(places, handed, sent):
    """A delay, a time, a lock; a moment that has passed already counts as one."""
    places(4)
    note(delay=60)
    note(run_at=datetime.now(UTC) - timedelta(hours=1))
    note(lock_key="a")
    enqueue("test.locked", {"account": "x"})
    assert handed() == []
    assert levels(sent()) == [("default", 0)] * 4


def test_a_unique_job_is_handed_over_and_a_hit_is_rung_by_its_id(places, handed, sent):
    """Its row was held, so that it may have been rung in vain."""
    places(2)
    job = note(unique_key="u")
    assert handed() == [job]
    again = enqueue("test.note", {"name": "a"}, unique_key="u")
    assert again.absorbed
    assert [each.ids for each in sent()] == [{job}]
    assert handed() == []


def test_a_repeated_job_is_told_to_nobody(places, handed, sent):
    """The first told of it."""
    places(2)
    job = note(idempotency_key="i")
    assert handed() == [job]
    assert enqueue("test.note", {"name": "a"}, idempotency_key="i").replayed
    assert (handed(), sent()) == ([], [])


def test_a_job_behind_an_open_circuit_is_left_to_the_dispatcher(places, broker, handed, sent):
    """It decides how many go; the others of the queue go as before."""
    hire(kinds=["test.guarded", "test.note"])
    harness, line = Harness(), DispatcherLine()
    harness.publisher.keep_line = line.keep
    facts = {"state": "open", "open_until": datetime.now(UTC) + timedelta(minutes=1)}
    Breaker.objects.update_or_create(name="payments", defaults=facts)
    harness.run_round()
    places()
    enqueue("test.guarded", {"name": "a"}, queue="default")
    assert handed() == []
    assert levels(sent()) == [("default", 0)]
    plain = note()
    assert handed() == [plain]


def test_nobody_overtakes_a_backlog(places, handed):
    """While more waits than a round could ring, new jobs wait behind it."""
    hire(slots=1)
    harness, line = Harness(), DispatcherLine()
    harness.publisher.keep_line = line.keep
    queued(many=3_000)
    harness.run_round()
    places()
    note()
    assert handed() == []


def test_the_line_can_be_switched_off(places, handed, sent, settings):
    """CELERIAC["OPEN_LINE"]: for jobs and for a dispatcher's doorbells."""
    configure(settings, OPEN_LINE=False)
    places()
    note()
    assert handed() == []
    assert levels(sent()) == [("default", 0)]
    line = DispatcherLine()
    line.keep(LineState({"default": 1}, frozenset()))
    bells = Harness()
    assert line.put(bells.publisher.doorbells) == []


def test_a_broker_that_refuses_scripts_is_nudged_and_asked_again_later(
    places, broker, handed, sent, monkeypatch
):
    """So may a managed one, or one in a transient trouble: no job is less known for that."""
    places(2)
    with refused(broker):
        note()
        note()
        assert levels(sent()) == [("default", 0)] * 2
    note()
    assert handed() == []
    assert len(sent()) == 1
    monkeypatch.setattr(nudge._sender, "_line_from", 0.0)
    job = note()
    assert handed() == [job]


def test_a_dispatcher_rings_by_messages_where_the_broker_refuses_scripts(places, broker):
    """It never raises."""
    harness = Harness()
    hire()
    queued()
    bells = harness.run_round()
    places()
    line = DispatcherLine()
    with refused(broker):
        assert line.keep(LineState({"default": 1}, frozenset({"queue x"}))) == []
        assert line.put(bells) == bells
    assert line.put(bells) == bells  # for a while it does not ask again
    line = DispatcherLine()
    assert line.put(bells) == []


class refused:  # noqa: N801 reads as what it is
    """A broker that refuses scripts for a while."""

    def __init__(self, broker):
        """Refuse nothing yet."""
        self.broker = broker

    def __enter__(self):
        self.broker.execute_command("ACL", "SETUSER", "default", "-@scripting")

    def __exit__(self, *_):
        self.broker.execute_command("ACL", "SETUSER", "default", "+@all")


def test_projects_that_share_the_broker_by_a_prefix_keep_to_their_own(places, handed, settings):
    """A place of another project's queue of that name is not taken; our own is."""
    places()
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {
        **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        "global_keyprefix": "ours:",
    }
    enqueue("test.note", {"name": "a"})
    assert handed() == []
    places(queue="ours:default")
    job = enqueue("test.note", {"name": "b"})
    assert handed() == [job.id]
    bell = Doorbell("test.note", "default", (job.id,))
    line = DispatcherLine()
    line.keep(LineState({"default": 0}, frozenset()))
    assert line.put([bell]) == [bell]
    places(queue="ours:default")
    assert line.put([bell]) == []
    assert handed() == [job.id]
