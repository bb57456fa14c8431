"""A worker of a queue whose jobs run many at once in one process, each in a thread."""

import signal

import psutil
import pytest
from django.db import connection

from celeriac.core import clock
from celeriac.jobs.models import Attempt, Job, Worker
from tests.acceptance.test_worker import FAST, all_end, states
from tests.app.models import Effect
from tests.support.processes import wait_until

MANY = "payments"
COUNT = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@pytest.fixture
def worker(processes):
    """Return a worker of one process with twenty threads."""
    return processes.worker(queues=[MANY], concurrency=1, env=FAST)


@pytest.fixture
def begin(write, ring):
    """Return a function that has jobs of a kind run, each with the arguments."""

    def jobs(kind, *arguments):
        written = write(kind, arguments, queue=MANY)
        ring(written)
        return written

    return jobs


def connections():
    """Return how many connections others have to the database."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT)
        return cursor.fetchone()[0]


def facts(job):
    """Return what a run left on the job."""
    job.refresh_from_db()
    return job.state, job.attempt, job.failures, job.losses


def child_of(worker):
    """Return the process with the slots: the worker's own child."""
    (child,) = psutil.Process(worker.pid).children()
    return child


def ring_alone(ring, jobs):
    """Ring for each of the jobs by itself, as a dispatcher does where they have losses."""
    Job.objects.update(run_at=clock.Now())
    for job in jobs:
        ring([job], queue=MANY)


def test_twenty_run_at_a_time_and_a_stop_waits_for_them(worker, begin):
    """No connection is held while its job uses none; what has not started goes back as it was."""
    row = wait_until(Worker.objects.first)
    assert (row.queues, row.slots) == ([MANY], 20)
    before = connections()
    jobs = begin("test.sleep", *[{"seconds": 1.0, "name": str(n)} for n in range(30)])
    wait_until(lambda: states(jobs).get("running") == 20)
    wait_until(lambda: Worker.objects.filter(running__len=20).exists())
    assert connections() - before <= 3
    worker.send_group(signal.SIGTERM)
    wait_until(lambda: not worker.is_running)
    assert states(jobs) == {"succeeded": 20, "queued": 10}
    assert Effect.objects.count() == 20
    assert not Job.objects.filter(state="queued", attempt__gt=0).exists()
    assert not Attempt.objects.exists()
    assert Worker.objects.get().stopped_at is not None


def test_one_past_its_hard_limit_costs_its_neighbours_nothing(worker, begin, ring):
    """They go back with an Attempt that says why, and succeed; it runs alone from then on."""
    neighbours = begin("test.where", *[{"seconds": 4.0}] * 5)
    wait_until(all_end(neighbours, "running"))
    (stubborn,) = begin("test.stubborn", {})
    wait_until(all_end([*neighbours, stubborn], "queued"))
    assert facts(stubborn) == ("queued", 1, 0, 1)
    assert "ran past its hard limit" in stubborn.error
    assert {facts(job) for job in neighbours} == {("queued", 1, 0, 0)}
    told = Attempt.objects.filter(job__in=neighbours)
    assert told.count() == 5
    assert all(f"job {stubborn.id}" in attempt.message for attempt in told)
    ring_alone(ring, [stubborn])
    ring(neighbours)
    wait_until(lambda: facts(stubborn)[3] == 2)
    wait_until(all_end(neighbours))
    assert {facts(job) for job in neighbours} == {("succeeded", 2, 0, 0)}


def test_after_a_death_without_a_cause_each_runs_alone(worker, begin, ring):
    """Any of those that ran may have been it: each has a loss, and a process of its own next."""
    child = child_of(worker)
    jobs = begin("test.where", *[{"seconds": 1.0}] * 5)
    wait_until(lambda: Worker.objects.filter(running__len=5).exists())
    child.kill()
    wait_until(all_end(jobs, "queued"))
    assert {facts(job) for job in jobs} == {("queued", 1, 0, 1)}
    wait_until(lambda: not child.is_running())
    others = begin("test.where", *[{"seconds": 1.0}] * 5)
    ring_alone(ring, jobs)
    wait_until(all_end([*jobs, *others]))
    results = [Job.objects.get(pk=job.pk).result for job in jobs]
    assert len(set(results)) == 5
    assert {Job.objects.get(pk=job.pk).result for job in others} == {child_of(worker).pid}
    assert child_of(worker).pid not in results


def test_a_job_that_kills_its_process_takes_none_along_twice(worker, begin, ring):
    """It ends dead by its losses, while its former neighbours go on."""
    (neighbour,) = begin("test.where", {"seconds": 20.0})
    wait_until(all_end([neighbour], "running"))
    (deadly,) = begin("test.die", {})
    wait_until(all_end([neighbour, deadly], "queued"))
    (other,) = begin("test.where", {"seconds": 5.0})
    wait_until(all_end([other], "running"))
    for losses in (2, 3):
        ring_alone(ring, [deadly])
        wait_until(lambda losses=losses: facts(deadly)[3] == losses)
    assert facts(deadly) == ("dead", 3, 0, 3)
    assert facts(other) == ("running", 1, 0, 0)
    wait_until(all_end([other]))


def test_limits_failures_and_transactions_hold_in_threads(worker, begin):
    """The soft limit strikes once the handler's wait is over."""
    (late,) = begin("test.short", {"seconds": 0.5})
    (failing,) = begin("test.fail", {})
    together = begin("test.note_once", *[{"name": str(n), "seconds": 0.2} for n in range(20)])
    begin("test.snooze", {})
    begin("test.give_up", {})
    wait_until(all_end(together))
    assert Effect.objects.count() == 20
    wait_until(lambda: facts(late) == ("queued", 1, 1, 0))
    assert late.error.endswith("The handler ran past its soft limit of 0.2 s.")
    assert facts(failing) == ("queued", 1, 1, 0)
    wait_until(lambda: facts(Job.objects.get(kind="test.snooze")) == ("queued", 1, 0, 0))
    wait_until(lambda: facts(Job.objects.get(kind="test.give_up")) == ("dead", 1, 1, 0))
    assert worker.stop() == 0
