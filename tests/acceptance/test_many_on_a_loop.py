"""A worker of a queue whose jobs run many at once in one process, as coroutines on one loop."""

import signal

import psutil
import pytest

from celeriac.jobs.models import Attempt, Job, Worker
from tests.acceptance.test_many_at_once import MANY, connections, facts, ring_alone
from tests.acceptance.test_worker import FAST, all_end, states
from tests.app.models import Effect
from tests.support.processes import wait_until


@pytest.fixture
def worker(processes):
    """Return a worker of one process, with a loop for two hundred."""
    return processes.worker(queues=[MANY], concurrency=1, env={**FAST, "TEST_SLOTS": "async:200"})


@pytest.fixture
def begin(write, ring):
    """Return a function that has jobs of a kind run, each with the arguments."""

    def jobs(kind, *arguments):
        written = write(kind, arguments, queue=MANY)
        ring(written)
        return written

    return jobs


def test_two_hundred_wait_at_a_time_in_one_process(worker, begin):
    """No connection is held while its job uses none; a stop waits, and gives back the others."""
    row = wait_until(Worker.objects.first)
    assert (row.queues, row.slots) == ([MANY], 200)
    before = connections()
    begin("test.await", *[{"seconds": 0.3, "name": "first"}] * 400)
    wait_until(lambda: Effect.objects.count() == 400)
    assert len(set(Job.objects.values_list("result", flat=True)) - {None}) <= 1
    jobs = begin("test.await", *[{"seconds": 3.0, "name": str(n)} for n in range(230)])
    wait_until(lambda: states(jobs).get("running") == 200)
    wait_until(lambda: len(Worker.objects.get().running) == 200)
    worker.send_group(signal.SIGTERM)
    most = 0

    def has_ended():
        nonlocal most
        most = max(most, connections() - before)
        return not worker.is_running

    wait_until(has_ended)
    assert most <= 22
    assert states(jobs) == {"succeeded": 200, "queued": 30}
    assert Effect.objects.exclude(name="first").count() == 200
    assert not Job.objects.filter(state="queued", attempt__gt=0).exists()
    assert not Attempt.objects.exists()


def test_who_ends_the_process_is_charged_and_who_waits_is_not(worker, begin, ring):
    """One that ignores its cancellation; then one that keeps all Python of the process."""
    neighbours = begin("test.await", *[{"seconds": 20.0}] * 5)
    wait_until(all_end(neighbours, "running"))
    (stubborn,) = begin("test.await_on", {})
    wait_until(all_end([*neighbours, stubborn], "queued"))
    assert facts(stubborn) == ("queued", 1, 0, 1)
    assert "ran past its hard limit" in stubborn.error
    assert {facts(job) for job in neighbours} == {("queued", 1, 0, 0)}

    (waiting,) = begin("test.await_briefly", {"seconds": 2.5})
    wait_until(all_end([waiting], "running"))
    (blocking,) = begin("test.block", {"seconds": 6.0})
    wait_until(all_end([waiting, blocking], "queued"))
    assert facts(waiting) == ("queued", 1, 0, 0)
    assert facts(blocking) == ("queued", 1, 0, 1)
    assert f"blocked the loop of its process until job {waiting.id} was past" in blocking.error
    assert f"job {blocking.id}, which ran there too" in Attempt.objects.get(job=waiting).message

    ring_alone(ring, [blocking])
    (other,) = begin("test.await", {"seconds": 0.1})
    wait_until(all_end([blocking, other]))
    assert Job.objects.get(pk=other.pk).result in {
        child.pid for child in psutil.Process(worker.pid).children()
    }
