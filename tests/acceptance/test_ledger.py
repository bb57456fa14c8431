"""The invariants on a whole platform: real dispatcher, real workers, real servers, real faults."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from celeriac import enqueue, enqueue_many
from celeriac.core import clock
from celeriac.jobs.models import Attempt, Job, Worker
from tests.app.models import Effect
from tests.support.processes import ROOT, wait_until

#: Short leases, so that a test need not wait long; still ten beats to a lease.
FAST = {
    "CELERIAC_HEARTBEAT_SECONDS": "0.4",
    "CELERIAC_WORKER_LEASE_SECONDS": "4",
    "CELERIAC_QUEUE_LEASE_SECONDS": "3",
}
#: Seconds that a server is away. `AWAY=60` is the long run, with the leases as shipped.
AWAY = float(os.environ.get("AWAY", "8"))
PATIENT = {} if AWAY > 20 else FAST


def ended(count, state="succeeded"):
    """Return a condition: so many jobs are in the state, and none is in another."""

    def check():
        states = list(Job.objects.values_list("state", flat=True))
        return len(states) == count and set(states) == {state}

    return check


def effects(name):
    """Return how often an effect of the name was left."""
    return Effect.objects.filter(name=name).count()


def each_effect_once(count):
    """Return whether there are so many effects, no name twice."""
    names = list(Effect.objects.values_list("name", flat=True))
    return len(names) == count == len(set(names))


@pytest.fixture
def dispatcher(processes):
    """Return a ready dispatcher."""
    process = processes.dispatcher(env=FAST)
    process.wait_for_output("dispatcher ready")
    return process


@pytest.fixture
def start_worker(processes):
    """Return a starter of workers with short leases."""

    def start(**options):
        env = {**FAST, **options.pop("env", {})}
        return processes.worker(**{"queues": ["default"], **options}, env=env)

    return start


def test_a_rolled_back_enqueue_leaves_no_job(dispatcher, start_worker):
    """A job exists if and only if its row committed."""
    start_worker()
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012 the rollback is the point
        enqueue("test.note", {"name": "never"})
        raise RuntimeError("rolled back")
    enqueue("test.note", {"name": "after"})
    wait_until(ended(1))
    assert each_effect_once(1)
    assert effects("never") == 0


def test_a_commit_followed_by_instant_death_still_runs(dispatcher, start_worker, process_env):
    """The nudge is lost with its process; the row is not."""
    start_worker()
    code = (
        "import os, django; django.setup()\n"
        "from django.db import connection, transaction\n"
        "from celeriac import enqueue\n"
        "with transaction.atomic():\n"
        "    enqueue('test.note', {'name': 'orphan'})\n"
        "    connection.run_on_commit.insert(0, (set(), lambda: os._exit(9), False))\n"
    )
    env = {**os.environ, **process_env}
    ending = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, timeout=60)
    assert ending.returncode == 9
    wait_until(ended(1))
    assert each_effect_once(1)


def test_flushall_with_a_thousand_queued_jobs_loses_none(dispatcher, start_worker, broker):
    """The broker holds nothing of value."""
    enqueue_many("test.note", [{"name": str(number)} for number in range(1000)])
    start_worker()
    wait_until(Effect.objects.exists)
    broker.flushall()
    wait_until(ended(1000), timeout=120)
    assert each_effect_once(1000)


def test_sigkill_of_a_worker_loses_no_job_and_charges_each_claimed_one(dispatcher, start_worker):
    """Rescued after the lease; the second worker does the rest."""
    worker = start_worker(concurrency=2)
    enqueue_many("test.sleep", [{"seconds": 0.2, "name": str(n)} for n in range(30)])
    wait_until(Effect.objects.exists)
    worker.kill()
    start_worker(concurrency=2)
    wait_until(ended(30), timeout=90)
    assert Job.objects.filter(losses__gt=0).count() <= 2
    assert not Job.objects.filter(failures__gt=0).exists()
    assert Effect.objects.values("name").distinct().count() == 30


def test_sigkill_of_the_dispatcher_at_any_moment_loses_nothing(dispatcher, start_worker, processes):
    """What it had rung is forgotten, rung again, and runs once."""
    start_worker()
    enqueue_many("test.note", [{"name": str(number)} for number in range(500)])
    for _ in range(3):
        time.sleep(0.05)  # any moment will do
        dispatcher.kill()
        dispatcher = processes.dispatcher(env=FAST)
    wait_until(ended(500), timeout=60)
    assert each_effect_once(500)


def test_a_transactional_run_stalled_past_its_lease_is_refused_and_rolled_back(
    dispatcher, start_worker
):
    """The job's result is the second run's, its effect is there once."""
    stalled = start_worker(concurrency=1)
    job = enqueue("test.note_once", {"name": "once", "seconds": 2.0})
    wait_until(lambda: Job.objects.get().state == "running")
    first = Job.objects.get().worker
    stalled.sigstop()
    start_worker(concurrency=1)
    wait_until(ended(1), timeout=60)
    row = Job.objects.get(pk=job.id)
    assert row.worker != first
    assert (row.attempt, row.losses) == (2, 1)
    stalled.sigcont()
    stalled.wait_for_output("refused")
    assert effects("once") == 1
    after = Job.objects.get(pk=job.id)
    assert (after.worker, after.attempt, after.finished_at) == (
        row.worker,
        row.attempt,
        row.finished_at,
    )
    assert [each.outcome for each in Attempt.objects.order_by("id")] == ["lost", "succeeded"]


def test_a_stalled_worker_runs_none_of_its_unstarted_jobs_twice(dispatcher, start_worker, ring):
    """SIGSTOP past the lease, SIGCONT: the claim is verified before the next handler."""
    stalled = start_worker(concurrency=1)
    names = [{"seconds": 0.05, "name": str(number)} for number in range(40)]
    enqueue_many("test.sleep", names)
    wait_until(lambda: Effect.objects.count() >= 2)
    stalled.sigstop()
    running = set(Job.objects.filter(state="running").values_list("id", flat=True))
    start_worker(concurrency=1)
    wait_until(ended(40), timeout=60)
    stalled.sigcont()
    wait_until(lambda: Worker.objects.get(pid=stalled.pid).beat_at > clock.db_now() - LIVELY)
    # What it had sent before it stopped may have been written: then nobody took that job.
    taken = Job.objects.filter(id__in=running, attempt__gt=1)
    wait_until(lambda: "lost claim" in stalled.output or not taken.exists())
    doubled = Effect.objects.values("name").distinct().count() != Effect.objects.count()
    # The one handler that was running when the world stopped may have its effect twice.
    assert Effect.objects.count() <= 41
    assert Effect.objects.values("name").distinct().count() == 40
    assert not doubled or Effect.objects.count() == 41


LIVELY = timedelta(seconds=2)


def test_two_jobs_of_one_lock_never_overlap_under_eight_processes(dispatcher, start_worker):
    """The database enforces it: intervals of one account are disjoint."""
    for _ in range(2):
        start_worker(concurrency=4)
    jobs = [{"account": str(number % 4), "seconds": 0.03} for number in range(80)]
    enqueue_many("test.locked", jobs)
    wait_until(ended(80), timeout=90)
    for account in range(4):
        moments = list(
            Effect.objects.filter(name__startswith=f"{account}:").values_list("name", "value")
        )
        order = [name for name, _ in sorted(moments, key=lambda moment: float(moment[1]))]
        assert order == [f"{account}:in", f"{account}:out"] * 20


def test_cancel_of_a_running_job_holds_through_its_failure(dispatcher, start_worker):
    """Cancelled, though the handler fails while it stops."""
    from celeriac import cancel

    start_worker()
    jobs = [enqueue("test.cancellable", {"fails": fails}) for fails in (False, True)]
    wait_until(lambda: Job.objects.filter(state="running").count() == 2)
    for job in jobs:
        cancel(job.id)
    wait_until(ended(2, "cancelled"))


def test_a_job_that_always_kills_its_child_spares_its_neighbours(dispatcher, start_worker):
    """Dead after its allowed losses; everybody else succeeds without one."""
    start_worker(concurrency=2)
    enqueue_many("test.note", [{"name": str(number)} for number in range(30)])
    enqueue("test.die", {})
    enqueue_many("test.note", [{"name": str(number)} for number in range(30, 60)])
    wait_until(lambda: Job.objects.get(kind="test.die").state == "dead", timeout=90)
    wait_until(lambda: Job.objects.filter(kind="test.note", state="succeeded").count() == 60)
    assert Job.objects.get(kind="test.die").losses == 3
    assert not Job.objects.filter(kind="test.note", losses__gt=0).exists()


def test_a_broker_away_for_longer_than_the_lease_rescues_nobody(processes, valkey_server):
    """Heartbeats go to the database; the work goes on when the broker is back."""
    processes.dispatcher(env=PATIENT).wait_for_output("dispatcher ready")
    processes.worker(queues=["default"], env=PATIENT)
    enqueue("test.sleep", {"seconds": AWAY, "name": "through"})
    wait_until(lambda: Job.objects.get().state == "running")
    valkey_server.stop()
    try:
        began = time.monotonic()
        enqueue("test.note", {"name": "meanwhile"})
        assert time.monotonic() - began < 2
        wait_until(lambda: effects("through") == 1, timeout=AWAY + 30)
    finally:
        valkey_server.start()
    wait_until(ended(2), timeout=AWAY + 60)
    assert not Job.objects.filter(losses__gt=0).exists()
    assert each_effect_once(2)


def test_a_database_away_for_longer_than_the_lease_rescues_nobody(processes, postgres_server):
    """A dispatcher calls nobody lost before it has had the database for a whole lease."""
    processes.dispatcher(env=PATIENT).wait_for_output("dispatcher ready")
    processes.worker(queues=["default"], env=PATIENT)
    enqueue("test.sleep", {"seconds": AWAY + 4})
    wait_until(lambda: Job.objects.get().state == "running")
    connection.close()
    postgres_server.stop()
    try:
        time.sleep(AWAY)  # at least two leases: the outage itself is what is tested
    finally:
        postgres_server.start()
    wait_until(ended(1), timeout=AWAY + 60)
    assert Job.objects.get().losses == 0


def test_postgresql_restarted_in_the_middle_of_settles_keeps_transactional_effects_single(
    dispatcher, start_worker, postgres_server
):
    """Every effect exactly once; every job settled soon after."""
    start_worker(concurrency=2)
    enqueue_many(
        "test.note_once", [{"name": str(number), "seconds": 0.01} for number in range(400)]
    )
    wait_until(lambda: Effect.objects.count() > 50)
    connection.close()
    postgres_server.restart(mode="immediate")
    wait_until(ended(400), timeout=90)
    assert each_effect_once(400)


@pytest.mark.parametrize("whole_group", [False, True], ids=["to the parent", "to the group"])
def test_sigterm_under_load_costs_no_failure_and_no_loss(dispatcher, start_worker, whole_group):
    """A deploy: one worker goes, another comes."""
    leaving = start_worker(concurrency=2)
    enqueue_many("test.sleep", [{"seconds": 0.1, "name": str(number)} for number in range(60)])
    wait_until(Effect.objects.exists)
    leaving.send_group(signal.SIGTERM) if whole_group else leaving.send(signal.SIGTERM)
    start_worker(concurrency=2)
    wait_until(ended(60), timeout=60)
    wait_until(lambda: not leaving.is_running)
    assert not Job.objects.filter(losses__gt=0).exists()
    assert not Job.objects.filter(failures__gt=0).exists()
    assert each_effect_once(60)
