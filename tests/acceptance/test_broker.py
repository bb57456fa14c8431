"""A worker and a dispatcher whose broker holds garbage, takes no writes, and goes away."""

import time

import pytest
import redis

from celeriac import enqueue
from celeriac.jobs import nudge
from celeriac.jobs.models import Job, Worker
from sandbox.servers import ValkeyServer
from tests.support.invalid_values import CONTROL, ITEMS, KEYS, NUDGES, task
from tests.support.processes import wait_until

#: Seconds that the first job after an outage may take here: five times the promise, and a machine
#: that others use.
SOON = 6.0
AWAY = 3.0
NOISE = ("UNABLE TO RESTORE", "EMERGENCY DUMP", "DeprecationWarning", "Unrecoverable", "Frequent")


@pytest.fixture
def own_broker(run_directory, request):
    """Yield a broker that only this test uses, so that it may be stopped and misled."""
    server = ValkeyServer(run_directory / f"broker-{abs(hash(request.node.nodeid)):x}")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def platform(processes, own_broker, settings):
    """Start a worker and a dispatcher on it."""
    settings.CELERIAC = {**settings.CELERIAC, "NUDGE_URL": own_broker.url()}
    nudge.reset()
    env = {"BROKER_URL": own_broker.url(), "CELERIAC_HEARTBEAT_SECONDS": "0.5"}
    started = processes.worker(queues=["default"], env=env), processes.dispatcher(env=env)
    started[1].wait_for_output("dispatcher ready")
    yield started
    nudge.reset()


def has(state, *jobs):
    """Return a condition: all of the jobs are in the state."""
    ids = [job.id for job in jobs]
    return lambda: Job.objects.filter(pk__in=ids, state=state).count() == len(ids)


def run():
    """Run a job to its end; return how many seconds it took."""
    started = time.monotonic()
    wait_until(has("succeeded", enqueue("test.noop", {})))
    return time.monotonic() - started


def test_a_worker_and_a_dispatcher_outlive_all_that_their_broker_does(platform, own_broker):
    """The same two processes work on, with both slots, soon after each fault has ended."""
    worker, dispatcher = platform
    run()
    with redis.Redis.from_url(own_broker.url(), socket_timeout=5) as broker:
        _leave_rubbish(broker)
        run()
        wait_until(lambda: broker.llen("default") == 0)
        sleepers = [enqueue("test.sleep", {"seconds": 2.0}) for _ in range(2)]
        wait_until(has("running", *sleepers), message="both slots work")
        for key in KEYS:
            broker.delete(key)
            broker.set(key, "neither a list nor a set")
        run()
        _takes_no_writes(broker, ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"))
        short = ("CONFIG", "SET", "min-replicas-to-write")
        _takes_no_writes(broker, (*short, "1"), (*short, "0"))
        _answers_a_canary(broker)
    own_broker.stop()
    job = enqueue("test.noop", {})
    time.sleep(AWAY)
    own_broker.start()
    wait_until(has("succeeded", job), timeout=SOON, message="soon after the broker's return")
    for process in (worker, dispatcher):
        assert process.is_running
        assert not [noise for noise in NOISE if noise in process.output]
        assert process.output.count("is away, trying again") <= 3
    assert "celeriac.canary" not in worker.output.partition(" ready.")[2]
    assert "an invalid message from the broker (queue)" in worker.output
    assert "an invalid message from the broker (control)" in worker.output
    assert "an invalid message from the broker (nudge)" in dispatcher.output


def _leave_rubbish(broker):
    """Put all of it everywhere, more often than there are slots."""
    for _ in range(3):
        for item in ITEMS:
            broker.lpush("default", item)
        for channel, text in CONTROL:
            broker.publish(channel, text)
        for text in NUDGES:
            broker.publish(nudge.CHANNEL, text)


def _answers_a_canary(broker):
    """Ask the worker by its own queue; its next beat tells that the database answered it."""
    worker = Worker.objects.get()
    broker.lpush(worker.canary, task(name="celeriac.canary"))
    moved = Worker.objects.filter(answered_at__gt=worker.answered_at)
    wait_until(moved.exists, message="a canary is answered")


def _takes_no_writes(broker, away, back):
    """Let the broker refuse all writes until both processes have met it, then let it be."""
    refused = broker.info("stats").get("total_error_replies", 0)
    broker.execute_command(*away)
    job = enqueue("test.noop", {})
    wait_until(lambda: broker.info("stats")["total_error_replies"] >= refused + 4)
    broker.execute_command(*back)
    wait_until(has("succeeded", job), timeout=SOON, message=f"after {away}")
