"""Three dispatchers, twenty queues, and somebody who holds a transaction open."""

import threading
from collections import Counter

import pytest
from django.db import connection

from celeriac.jobs.dispatching.dispatch import AdmissionControl
from celeriac.jobs.models import Job, Queue
from celeriac.jobs.nudge_message import Nudge
from tests.integration.jobs.dispatching import Clock, Harness, Recorder, fill, hire

pytestmark = pytest.mark.django_db(transaction=True)

QUEUES = [f"queue{number:02}" for number in range(20)]
EACH = 1_000


@pytest.fixture(autouse=True)
def leases(settings):
    """Let leases outlast the test on a machine with other work: what lapses is rung by others."""
    settings.CELERIAC = settings.CELERIAC | {
        "QUEUE_LEASE_SECONDS": 3600.0,
        "WORKER_LEASE_SECONDS": 3600.0,
    }


@pytest.fixture
def twenty(settings):
    """Declare twenty queues, each with a backlog, and a worker for them all."""
    settings.CELERIAC = {**settings.CELERIAC, "QUEUES": {name: {} for name in QUEUES}}
    Queue.objects.bulk_create([Queue(name=name) for name in QUEUES])
    for name in QUEUES:
        fill("test.noop", EACH, queue=name)
    hire(queues=QUEUES, slots=8, run_times={"test.noop": 0.001})


def test_three_dispatchers_ring_every_job_once_and_starve_no_queue(twenty):
    """While their leases last, no job is rung by two, or twice.

    The clock is the test's: a doorbell that nobody answers for seconds is rung again, and a queue
    that is slow to read rests.
    """
    clock = Clock()
    dispatchers = [AdmissionControl(publisher=Recorder(), clock=clock) for _ in range(3)]
    for _ in range(3):
        for each in dispatchers:
            each.leases.renew()
    for each in dispatchers:
        each.read_workers()
    held = Counter(Queue.objects.filter(name__in=QUEUES).values_list("holder", flat=True))
    assert sorted(held.values()) == [6, 7, 7]
    first = [each.run_round(Nudge()) for each in dispatchers]
    assert all(first)
    pending = Counter(
        doorbell.queue for each in dispatchers for doorbell in each.publisher.doorbells
    )
    assert set(pending) == set(QUEUES)
    for _ in range(5):
        clock.now += 0.05
        for each in dispatchers:
            each.run_round(Nudge())
    times = Counter(
        job_id
        for each in dispatchers
        for doorbell in each.publisher.doorbells
        for job_id in doorbell.ids
    )
    assert len(times) == len(QUEUES) * EACH
    assert set(times.values()) == {1}


def test_a_transaction_held_open_elsewhere_starves_no_queue():
    """Dead versions pile up behind the cursor, where nobody reads."""
    harness = Harness()
    hire(run_times={"test.noop": 0.001})
    held, done = threading.Event(), threading.Event()

    def hold():
        with connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT count(*) FROM celeriac_jobs_queue")
            held.set()
            done.wait(60)
            cursor.execute("ROLLBACK")
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(30)
        pending = 0
        for _ in range(10):
            fill("test.noop", 2_000, age=0)
            pending += drain(harness)
        assert pending == 20_000
        assert buffers_of_a_scan(harness) < 100
    finally:
        done.set()
        holder.join(30)


def drain(harness):
    """Ring and end what is queued; return how many jobs that was."""
    ended = 0
    while doorbells := harness.run_round(Nudge()):
        ids = [job_id for doorbell in doorbells for job_id in doorbell.ids]
        Job.objects.filter(id__in=ids).delete()
        ended += len(ids)
    return ended


def buffers_of_a_scan(harness):
    """Return how many pages the next scan touches, by what PostgreSQL counts."""
    queue_cursor = harness.dispatcher.cursors["default"]
    run_at, last = queue_cursor.position(0)
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT id FROM celeriac_jobs_job"
            " WHERE state = 'queued' AND queue = 'default' AND priority = 0"
            " AND (run_at, id) > (%s, %s) AND run_at <= now() ORDER BY run_at, id LIMIT 100",
            [run_at, last],
        )
        plan = cursor.fetchone()[0][0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
