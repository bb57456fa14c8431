"""A real worker, rung by hand: what happens when its processes die, stall or are stopped."""

import signal
from uuid import uuid4

import pytest

from celeriac.core import clock
from celeriac.core.models import Audit
from celeriac.jobs.errors import InvalidOption
from celeriac.jobs.models import Job, Worker
from celeriac.jobs.operating import operate
from config.celery import app
from tests.acceptance.conftest import send_doorbell
from tests.app.models import Effect
from tests.support.processes import wait_until

FAST = {"CELERIAC_HEARTBEAT_SECONDS": "0.5", "CELERIAC_WORKER_LEASE_SECONDS": "3"}


def states(jobs):
    """Return how many of the jobs are in each state."""
    rows = Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state", flat=True)
    return {state: list(rows).count(state) for state in set(rows)}


def all_end(jobs, state="succeeded"):
    """Return a condition: every job is in the state."""
    return lambda: states(jobs) == {state: len(jobs)}


@pytest.fixture
def worker(processes):
    """Return a worker with one child."""
    return processes.worker(queues=["default"], concurrency=1, env=FAST)


def test_a_doorbell_of_fifty_runs_fifty_jobs_once_though_rung_twice(worker, write, ring):
    """Delivering everything twice does nothing twice."""
    jobs = write("test.note", [{"name": str(number)} for number in range(50)])
    ring(jobs)
    ring(jobs)
    wait_until(all_end(jobs))
    assert Effect.objects.count() == 50
    assert Job.objects.filter(attempt=1, losses=0, failures=0).count() == 50


def test_a_worker_says_that_it_lives_and_signs_off(worker):
    """Its row: queues, kinds, slots, beats; and an end."""
    row = wait_until(Worker.objects.first)
    assert (row.queues, row.slots, row.pid) == (["default"], 1, worker.pid)
    assert "test.note" in row.kinds
    wait_until(lambda: Worker.objects.get().beat_at > row.beat_at)
    worker.stop()
    assert Worker.objects.get().stopped_at is not None


def test_a_worker_that_can_not_watch_its_jobs_does_not_start(processes):
    """Threads know no limits; a worker that ran on without its row would have its jobs rescued."""
    worker = processes.worker("--pool=threads", queues=["default"], wait=False)
    wait_until(lambda: not worker.is_running or " ready." in worker.output, timeout=60)
    assert not worker.is_running
    assert worker.wait() == 1
    assert "use --pool=prefork" in worker.output.splitlines()[-1]


def test_what_celery_revokes_is_cancelled_and_can_be_retried(worker, write):
    """A worker that kept the id in mind would throw away every doorbell of the job, for hours."""
    (job,) = write("test.note", [{"name": "a"}])
    (other,) = write("test.note", [{"name": "b"}])
    app.control.revoke([str(job.id), str(uuid4()), "no id"])
    wait_until(all_end([job], "cancelled"))
    assert Job.objects.get(pk=job.id).error == "cancelled: revoked"
    assert Audit.objects.get(verb="job.cancel").actor_name == "celery control"
    with pytest.raises(InvalidOption, match="kills a process and its neighbours"):
        app.control.terminate(str(other.id), signal="KILL")
    assert Job.objects.get(pk=other.id).state == "queued"
    operate.retry(job.id)
    send_doorbell("test.note", [str(job.id)], task_id=str(job.id), queue="default")
    wait_until(all_end([job]))


def test_a_child_killed_in_a_job_costs_that_job_one_loss_and_its_neighbours_nothing(
    worker, write, ring
):
    """Jobs 1-19 succeeded once, job 20 has one loss, 21-50 are released."""
    before = write("test.note", [{"name": str(number)} for number in range(19)])
    deadly = write("test.die", [{"name": "20"}])
    behind = write("test.note", [{"name": str(number)} for number in range(21, 51)])
    jobs = before + deadly + behind
    ring(jobs)
    wait_until(all_end(before))
    wait_until(lambda: Job.objects.get(pk=deadly[0].pk).losses == 1)
    wait_until(all_end(behind, "queued"))
    assert not Job.objects.filter(pk__in=[job.pk for job in before + behind], losses__gt=0).exists()
    assert not Job.objects.filter(pk__in=[job.pk for job in behind], attempt__gt=0).exists()
    ring(behind)
    wait_until(all_end(behind))
    assert Effect.objects.count() == 50


def test_a_child_that_can_not_answer_ends_and_another_takes_its_place(worker, write, ring):
    """After some doorbells in a row, of which no job pays; Celery knows of no task that failed."""
    ring(write("test.break", [{}]))
    jobs = write("test.note", [{"name": str(number)} for number in range(5)], max_attempts=1)
    (child,) = worker.children()
    for job in jobs:
        ring([job])
    worker.wait_for_output("ends and is replaced")
    wait_until(lambda: not child.is_running() and worker.children())
    wait_until(lambda: not Job.objects.filter(state="queued", run_at__gt=clock.db_now()).exists())
    ring(jobs)
    wait_until(all_end([*jobs, *Job.objects.filter(kind="test.break")]))
    assert set(Job.objects.values_list("attempt", "failures", "losses")) == {(1, 0, 0)}
    assert "exited with" not in worker.output
    assert "WorkerLost" not in worker.output
    assert "Traceback" not in worker.output.split("ends and is replaced")[1]


def test_a_job_that_always_kills_its_child_ends_dead(worker, write, ring):
    """Losses at max_losses."""
    jobs = write("test.die", [{}])
    for _ in range(3):
        wait_until(lambda: Job.objects.get().state in ("queued", "dead"))
        seen = Job.objects.get().losses
        ring(jobs)
        wait_until(lambda seen=seen: Job.objects.get().losses > seen)
    job = Job.objects.get()
    assert (job.state, job.losses, job.failures) == ("dead", 3, 0)
    assert [attempt.outcome for attempt in job.attempts.all()] == ["lost", "lost", "dead"]


def test_a_handler_that_ignores_its_soft_limit_is_killed_alone(worker, write, ring):
    """The parent enforces the hard limit and charges that job only."""
    jobs = write("test.note", [{"name": "a"}]) + write("test.stubborn", [{}])
    jobs += write("test.note", [{"name": "b"}])
    ring(jobs)
    wait_until(lambda: Job.objects.get(kind="test.stubborn").losses == 1)
    assert "hard limit" in Job.objects.get(kind="test.stubborn").error
    ring(jobs[2:])
    wait_until(all_end([jobs[0], jobs[2]]))
    assert Job.objects.filter(losses=0, failures=0, attempt=1).count() == 2


@pytest.mark.parametrize("whole_group", [False, True], ids=["to the parent", "to the group"])
def test_sigterm_finishes_what_runs_and_releases_the_rest(worker, write, ring, whole_group):
    """A deploy costs no failure and no loss."""
    jobs = write("test.sleep", [{"seconds": 0.3, "name": str(number)} for number in range(20)])
    ring(jobs)
    wait_until(Effect.objects.exists)
    worker.send_group(signal.SIGTERM) if whole_group else worker.send(signal.SIGTERM)
    wait_until(lambda: not worker.is_running)
    found = states(jobs)
    assert set(found) == {"succeeded", "queued"}, found
    assert not Job.objects.filter(losses__gt=0).exists()
    assert not Job.objects.filter(failures__gt=0).exists()
    assert Effect.objects.count() == found["succeeded"]
    assert not Job.objects.filter(state="queued", attempt__gt=0).exists()


def test_a_handler_that_asks_gives_way_to_a_stop(worker, write, ring):
    """It goes on with the next worker, long before the grace is over; nothing is charged."""
    (job,) = write("test.stepwise", [{}])
    ring([job])
    wait_until(Effect.objects.exists)
    worker.send_group(signal.SIGTERM)
    wait_until(lambda: not worker.is_running)
    job.refresh_from_db()
    assert (job.state, job.attempt, job.failures, job.losses) == ("queued", 1, 0, 0)
    assert job.wait_reason == "its worker was stopped (deploy)"


def test_a_worker_whose_database_restarts_goes_on(worker, write, ring, postgres_server):
    """A broken connection is found, thrown away and replaced."""
    jobs = write("test.note", [{"name": "a"}])
    ring(jobs)
    wait_until(all_end(jobs))
    postgres_server.restart(mode="immediate")
    from django.db import connection

    connection.close()
    more = write("test.note", [{"name": "b"}])
    ring(more)
    wait_until(all_end(more))


def test_a_settle_waits_for_the_database_to_come_back(worker, write, ring, postgres_server):
    """What a child has done is written before it takes another doorbell; losses stay 0."""
    from django.db import connection

    jobs = write("test.sleep", [{"seconds": 2.0}])
    ring(jobs)
    wait_until(lambda: Job.objects.get().state == "running")
    connection.close()
    postgres_server.stop(mode="fast")
    worker.wait_for_output(f"the settle of job {jobs[0].id} failed")
    postgres_server.start()
    wait_until(all_end(jobs))
    assert Job.objects.get().losses == 0
