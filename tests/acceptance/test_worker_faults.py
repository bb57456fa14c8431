"""A real worker whose surroundings fail: its folder, its database, its time, its neighbours."""

import shutil
import signal
import time

import psutil
import pytest
from django.db import connection

from celeriac.jobs.models import Job, Worker
from config.celery import app
from tests.acceptance.test_worker import all_end
from tests.app.models import Effect
from tests.support.processes import wait_until

LEASE = {"CELERIAC_HEARTBEAT_SECONDS": "0.5", "CELERIAC_WORKER_LEASE_SECONDS": "8"}


@pytest.fixture
def slots(tmp_path):
    """Return the directory of this test's slots."""
    return tmp_path / "slots"


@pytest.fixture
def start(processes, slots):
    """Return a function that starts a worker with slots of its own."""

    def worker(*arguments, concurrency=2, queues=("default",), **env):
        env = {**LEASE, "CELERIAC_SLOT_DIRECTORY": str(slots), **env}
        return processes.worker(*arguments, queues=list(queues), concurrency=concurrency, env=env)

    return worker


def running(jobs):
    """Return a condition: the jobs run."""
    return lambda: Job.objects.filter(pk__in=[job.pk for job in jobs], state="running").exists()


def unharmed():
    """Return whether no job has a loss, a failure or a second run."""
    return not Job.objects.exclude(losses=0, failures=0, attempt=1).exists()


def test_a_worker_whose_slots_are_removed_goes_on_and_ends(start, write, ring, slots):
    """No job is stuck, none runs twice, and SIGTERM is obeyed although no file can say so."""
    worker = start()
    long = write("test.sleep", [{"seconds": 2.5, "name": "long"}])
    ring(long)
    wait_until(running(long))
    (folder,) = slots.iterdir()
    shutil.rmtree(slots)
    wait_until(lambda: (folder / "owner").exists(), timeout=10)
    jobs = write("test.note", [{"name": str(number)} for number in range(20)])
    for job in jobs:
        ring([job])
    wait_until(all_end(jobs), timeout=90)
    pids = {path.stem for path in folder.glob("*.slot")}
    assert pids
    assert pids <= {str(child.pid) for child in worker.children()}
    wait_until(all_end(long))
    assert unharmed()
    assert Effect.objects.count() == 21
    shutil.rmtree(slots)
    slots.touch()  # nor can it be made anew: the worker ends by itself
    wait_until(lambda: not worker.is_running)
    assert "can't be made anew" in worker.output


def test_a_worker_ends_while_the_database_is_away_and_the_next_settles_for_it(
    start, write, ring, slots, postgres_server
):
    """What had ended well is charged nothing, and its folder goes once it is read."""
    first = start(CELERIAC_SHUTDOWN_GRACE_SECONDS="2")
    ended = write("test.sleep", [{"seconds": 1.0}, {"seconds": 0.0}])
    ring(ended)
    wait_until(running(ended))
    connection.close()
    postgres_server.stop(mode="fast")
    try:
        first.wait_for_output("failed, trying again")
        first.send(signal.SIGTERM)
        wait_until(lambda: not first.is_running, timeout=30)
    finally:
        postgres_server.start()
    assert list(slots.glob("celeriac-*/*.slot"))
    start(concurrency=1)
    wait_until(lambda: Job.objects.filter(state="running").count() == 0)
    rows = Job.objects.order_by("id").values_list("state", "attempt", "failures", "losses")
    assert list(rows) == [("succeeded", 1, 0, 0), ("queued", 0, 0, 0)]  # one had no time to start
    wait_until(lambda: len(list(slots.iterdir())) == 1)
    assert Worker.objects.filter(pid=first.pid, stopped_at__isnull=False).exists()


def test_a_job_is_given_the_time_in_which_it_was_frozen(start, write, ring):
    """Parent and child together, or the child alone: neither its soft limit nor its hard one."""
    worker = start(concurrency=1)
    (child,) = [each for each in worker.children() if psutil.pid_exists(each.pid)]
    for freeze, thaw in [(worker.sigstop, worker.sigcont), (child.suspend, child.resume)]:
        jobs = write("test.brief", [{"seconds": 0.8}])
        ring(jobs)
        wait_until(running(jobs))
        freeze()
        time.sleep(4.0)  # the freeze itself
        thaw()
        wait_until(all_end(jobs), timeout=90)
        assert unharmed(), Job.objects.values_list("error", flat=True)


def test_neighbours_of_a_long_job_do_not_wait_for_it(start, write, ring):
    """Once their doorbell's time is over they are released, and another child runs them."""
    start(concurrency=2, CELERIAC_SHUTDOWN_GRACE_SECONDS="0.2")
    long = write("test.sleep", [{"seconds": 60.0}])
    short = write("test.note", [{"name": str(number)} for number in range(5)])
    ring(long + short)
    wait_until(running(short))
    wait_until(all_end(short, "queued"))
    assert Job.objects.get(pk=short[0].pk).wait_reason == f"it was claimed behind job {long[0].pk}"
    ring(short)
    wait_until(all_end(short))
    assert Job.objects.get(pk=long[0].pk).state == "running"
    assert unharmed()


def test_a_worker_says_what_it_consumes_and_how_much_it_may_run_at_each_moment(start):
    """Queues and slots that are changed from outside are in its row within a beat."""
    start(concurrency=1)
    row = wait_until(Worker.objects.first)
    assert (row.queues, row.slots) == (["default"], 1)
    app.control.add_consumer("payments", reply=True)
    app.control.cancel_consumer("default", reply=True)
    app.control.pool_grow(2, reply=True)
    wait_until(lambda: Worker.objects.filter(queues=["payments"], slots=3).exists())
    app.control.pool_shrink(1, reply=True)
    wait_until(lambda: Worker.objects.filter(slots=2).exists())


def test_an_autoscaled_worker_offers_all_that_it_may_grow_to(start, write, ring):
    """A pool that grows with what waits never grew while it was rung for one."""
    start("--autoscale=4,1")
    wait_until(lambda: Worker.objects.filter(slots=4).exists())
    for job in (jobs := write("test.sleep", [{"seconds": 2.0}] * 3)):
        ring([job])
    wait_until(lambda: Job.objects.filter(state="running").count() >= 2)
    wait_until(all_end(jobs), timeout=90)
