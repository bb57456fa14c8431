"""Real dispatchers, real workers, and what may happen to them."""

import signal
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from celeriac import enqueue, pause_queue, resume_queue
from celeriac.core.clock import Now
from celeriac.jobs import nudge
from celeriac.jobs.models import Job, Queue
from tests.app.models import Effect
from tests.support.processes import wait_until

FAST = {
    "CELERIAC_HEARTBEAT_SECONDS": "0.5",
    "CELERIAC_WORKER_LEASE_SECONDS": "3",
    "CELERIAC_QUEUE_LEASE_SECONDS": "2",
}


@pytest.fixture(autouse=True)
def speaks():
    """Let the test's own nudges through, whatever an earlier test did to the broker."""
    nudge.reset()


@pytest.fixture
def dispatcher(processes):
    """Return a dispatcher that is ready."""
    return ready(processes)


@pytest.fixture
def worker(processes):
    """Return a worker with two children."""
    return processes.worker(queues=["default"], concurrency=2, env=FAST)


def ready(processes, *arguments):
    """Start another dispatcher and wait until it is ready."""
    process = processes.dispatcher(*arguments, env=FAST)
    process.wait_for_output("dispatcher ready")
    return process


def fill(many, kind="test.noop", queue="default", args="{}"):
    """Write many due jobs in one statement, without a nudge."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO celeriac_jobs_job (id, kind, queue, args)"
            " SELECT new_id(), %s, %s, %s::jsonb FROM generate_series(1, %s)",
            [kind, queue, args, many],
        )


def have_ended(count):
    """Return a condition: that many jobs have succeeded."""
    return lambda: Job.objects.filter(state="succeeded").count() >= count


def holders():
    """Return how many queues each dispatcher holds."""
    held = Queue.objects.filter(lease_until__gt=timezone.now()).values_list("holder", flat=True)
    return sorted(Counter(held).values())


def even_shares(dispatchers):
    """Return what `holders` says once the queues are dealt out evenly."""
    queues = Queue.objects.count()
    return sorted((queues + place) // dispatchers for place in range(dispatchers))


def test_a_committed_job_runs_and_so_does_one_that_nobody_announced(dispatcher, worker):
    """A lost nudge costs a poll."""
    enqueue("test.note", {"name": "told"})
    fill(50)
    wait_until(have_ended(51))
    assert Effect.objects.get().name == "told"


def test_an_urgent_job_overtakes_a_backlog_of_ten_thousand(dispatcher, worker):
    """It waits behind a window of work, and no more: the backlog takes some seconds longer."""
    fill(10_000, "test.sleep", args='{"seconds": 0.0005}')
    wait_until(have_ended(500))
    urgent = enqueue("test.note", {"name": "urgent"}, priority=90)
    wait_until(lambda: Job.objects.get(id=urgent.id).state == "succeeded", every=0.01)
    ended = Job.objects.get(id=urgent.id).finished_at
    wait_until(have_ended(10_001), timeout=120)
    assert Job.objects.filter(kind="test.sleep", finished_at__gt=ended).count() > 1_000


def test_a_pause_stops_a_queue_though_its_backlog_is_in_the_broker(dispatcher, worker, broker):
    """What runs goes on; nothing new starts; everything runs after the resume."""
    jobs = [enqueue("test.sleep", {"seconds": 0.05}) for _ in range(100)]
    wait_until(have_ended(5))
    pause_queue("default", reason="a test", actor="cli")
    wait_until(lambda: not Job.objects.filter(state="running").exists())
    ended = Job.objects.filter(state="succeeded").count()
    assert ended < len(jobs)
    enqueue("test.note", {"name": "while paused"})
    wait_until(lambda: broker.llen("default") == 0)  # doorbells are answered with nothing
    assert not Job.objects.filter(state="running").exists()
    assert Job.objects.filter(state="succeeded").count() == ended
    resume_queue("default", actor="cli")
    wait_until(have_ended(101))
    assert not Job.objects.filter(attempt__gt=1).exists()


def test_jobs_survive_an_emptied_broker(dispatcher, worker, broker):
    """Their doorbells are rung again."""
    for _ in range(100):
        enqueue("test.sleep", {"seconds": 0.05})
    wait_until(have_ended(5))
    wait_until(lambda: broker.llen("default") > 0, every=0.001)
    broker.flushall()
    wait_until(have_ended(100), timeout=120)
    assert not Job.objects.filter(attempt__gt=1).exists()


def test_a_broker_that_is_away_delays_jobs_and_fails_none(
    dispatcher, worker, valkey_server, broker
):
    """Longer than the worker's lease: nobody is rescued."""
    fill(20)
    wait_until(have_ended(20))
    valkey_server.stop()
    try:
        for number in range(10):
            enqueue("test.note", {"name": str(number)})
        dispatcher.wait_for_output("doorbells can't be sent")
        away_since = timezone.now()
        wait_until(lambda: timezone.now() - away_since > timedelta(seconds=4))
    finally:
        valkey_server.start()
    wait_until(have_ended(30), timeout=120)
    assert dispatcher.output.count("doorbells can't be sent") == 1
    assert not Job.objects.exclude(losses=0, failures=0, attempt=1).exists()


def test_a_killed_dispatchers_queues_are_taken_over(processes, dispatcher, worker):
    """When its leases have lapsed; what it had rung is rung again and runs once."""
    fill(2_000)
    wait_until(have_ended(10))
    dispatcher.kill()
    ready(processes)
    fill(100)
    wait_until(have_ended(2_100), timeout=120)
    assert not Job.objects.filter(attempt__gt=1).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_dispatcher_gives_its_leases_up(dispatcher, number):
    """At once, with a clean exit."""
    assert holders() == [Queue.objects.count()]
    dispatcher.send(number)
    wait_until(lambda: not dispatcher.is_running, timeout=20)
    assert dispatcher.popen.returncode == 0
    assert not Queue.objects.filter(holder__isnull=False).exists()


def test_dispatchers_share_the_queues_evenly_and_follow_each_others_ends(processes):
    """None holds two more than another; the last holds all."""
    first, second = ready(processes), ready(processes)
    wait_until(lambda: holders() == even_shares(2))
    third = ready(processes)
    wait_until(lambda: holders() == even_shares(3))
    first.kill()
    wait_until(lambda: holders() == even_shares(2))
    second.stop()
    wait_until(lambda: holders() == even_shares(1))
    assert third.is_running


def test_a_database_that_was_away_rescues_nobody(processes, dispatcher, worker, postgres_server):
    """The loop survives it, and so does what runs."""
    job = enqueue("test.sleep", {"seconds": 6.0})
    wait_until(lambda: Job.objects.get().state == "running")
    connection.close()
    postgres_server.stop()
    dispatcher.wait_for_output("the database is away")
    away_since = timezone.now()
    wait_until(lambda: timezone.now() - away_since > timedelta(seconds=4))
    postgres_server.start()
    dispatcher.wait_for_output("the database is back")
    wait_until(lambda: Job.objects.get(id=job.id).state == "succeeded", timeout=60)
    row = Job.objects.get(id=job.id)
    assert (row.losses, row.failures, row.attempt) == (0, 0, 1)


def test_a_killed_workers_jobs_are_rescued_and_run_elsewhere(processes, dispatcher, worker):
    """One loss for what it held, nothing for what waited."""
    for _ in range(6):
        enqueue("test.sleep", {"seconds": 2.0})
    # A job that is claimed and has not begun costs nothing: both have begun by then.
    begun = Job.objects.filter(state="running", started_at__lt=Now() - timedelta(seconds=0.5))
    wait_until(lambda: begun.count() == 2)
    worker.kill_group()
    processes.worker(queues=["default"], concurrency=2, env=FAST)
    wait_until(have_ended(6), timeout=120)
    assert sorted(Job.objects.values_list("losses", flat=True)) == [0, 0, 0, 0, 1, 1]
    assert not Job.objects.exclude(failures=0).exists()


def test_one_round_can_be_asked_for(processes, worker, broker):
    """And a queue that nobody declared is refused."""
    fill(3)
    once = processes.dispatcher("--once", env=FAST)
    wait_until(lambda: not once.is_running, timeout=60)
    assert "rang for 3 jobs" in once.output
    wait_until(have_ended(3))
    wrong = processes.dispatcher("--queues", "default,nowhere", env=FAST)
    wait_until(lambda: not wrong.is_running, timeout=60)
    assert wrong.popen.returncode != 0
    assert "nowhere" in wrong.output


def test_workers_with_a_dispatcher_of_their_own_share_the_queues(processes):
    """No third process: two such workers ring and run, and one goes on where the other died."""
    queues = ["default"]
    workers = [
        processes.worker("--with-dispatcher", queues=queues, concurrency=1, env=FAST)
        for _ in range(2)
    ]
    for each in workers:
        each.wait_for_output("dispatcher ready")
    wait_until(lambda: holders() == even_shares(2))
    fill(200)
    wait_until(have_ended(200))
    workers[0].kill_group()
    fill(200)
    wait_until(have_ended(400))
    wait_until(lambda: holders() == even_shares(1))
    workers[1].send(signal.SIGTERM)
    workers[1].wait()
    assert holders() == []
    assert Counter(Job.objects.values_list("attempt", flat=True))[1] >= 398
