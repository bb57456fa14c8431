"""Delivery is kept: what a SIGKILL brings back is what plain Celery brings back beside."""

import os
import signal
import time
from collections import Counter

import pytest
from celery.exceptions import TimeLimitExceeded

from celeriac.jobs import registry
from celeriac.jobs.models import Job
from celeriac.jobs.outcomes import UNDECIDED
from tests.app.models import Effect
from tests.support.acme import FLAGS
from tests.support.processes import wait_until

LEASE = {"CELERIAC_HEARTBEAT_SECONDS": "0.5", "CELERIAC_WORKER_LEASE_SECONDS": "4"}
OVERRUNS = ("overruns", "overruns_late")
#: Seconds in which nothing more comes again.
QUIET = 3


@pytest.fixture
def acme(settings):
    """Return the project's two apps: on the ledger, and plain."""
    from tests.support import acme_ledger, acme_plain

    settings.CELERIAC = {**settings.CELERIAC, "TASKS": ["acme.*"]}
    before = set(registry.kind_names())
    acme_ledger.app.finalize()
    acme_plain.app.finalize()
    yield acme_ledger.app, acme_plain.app
    for name in set(registry.kind_names()) - before:
        registry.forget_kind(name)


@pytest.fixture
def worker_env(tmp_path):
    """Return the environment of a worker of the ledger."""
    own = {"CELERIAC_SLOT_DIRECTORY": str(tmp_path), "ACME_TASKS": "acme.*", "ACME_TELLS": "yes"}
    return {**LEASE, **own}


def start_ledger(processes, env, concurrency=2, *options, wait=True):
    """Start a worker that rings for itself."""
    return processes.worker(
        "--with-dispatcher",
        *options,
        app="tests.support.acme_ledger",
        queues=["default", "maintenance"],
        concurrency=concurrency,
        env=env,
        wait=wait,
    )


@pytest.fixture
def start(processes, worker_env):
    """Return what starts the two workers, one child for each task."""

    def workers():
        concurrency = len(FLAGS) + len(OVERRUNS)
        ledger = start_ledger(processes, worker_env, concurrency, wait=False)
        plain = processes.worker(
            app="tests.support.acme_plain",
            queues=["acme-plain"],
            concurrency=concurrency,
            env={"ACME_TELLS": "yes"},
            wait=False,
        )
        for each in (ledger, plain):
            each.wait_for_output(" ready.")
        return ledger, plain

    return workers


def starts(label):
    """Return how often each task of that label has started, on the ledger and plainly."""
    names = Effect.objects.filter(name__contains=f":{label}:").values_list("name", flat=True)
    return Counter(names)


def call(acme, label, names):
    """Call each task once on either side; wait until all of them run."""
    for prefix, app in zip(("acme", "plain"), acme, strict=True):
        for name in names:
            app.tasks[f"{prefix}.{name}"].delay(f"{prefix}:{label}")
    wait_until(lambda: len(starts(label)) == 2 * len(names), timeout=60)


def started_again(label, expected):
    """Return which tasks have started twice, on either side, once nothing more is to come."""

    def again():
        found = starts(label)
        assert max(found.values()) <= 2
        return [
            {name.split(":")[2] for name, count in found.items() if count == 2 and side in name}
            for side in ("acme:", "plain:")
        ]

    wait_until(lambda: again() == [expected, expected], timeout=25)
    time.sleep(QUIET)  # what must not come has no sign
    return again()


def told(what, label):
    """Return the tasks of which a signal or a hook told, on either side, and what each said."""
    values = Effect.objects.filter(name=what, value__contains=f":{label}:")
    said = sorted(value.split(":") for value in values.values_list("value", flat=True))
    return [[tuple(each[2:]) for each in said if each[0] == side] for side in ("acme", "plain")]


def test_a_killed_process_brings_back_what_plain_celery_brings_back(acme, start):
    """The child alone, and the whole worker, in mid-handler, for each combination of the flags."""
    workers = start()
    call(acme, "limit", OVERRUNS)
    call(acme, "child", FLAGS)
    for pid in Effect.objects.filter(name__contains=":child:").values_list("value", flat=True):
        os.kill(int(pid), signal.SIGKILL)
    again = {"late_rejects", "early_retries", "late_retries"}
    assert started_again("child", again) == [again, again]
    lost = [(name, "WorkerLostError") for name in ("early", "early_rejects", "late")]
    assert told("task_failure", "child") == [lost, lost]
    assert started_again("limit", {"overruns_late"}) == [{"overruns_late"}] * 2
    overran = ("overruns", "TimeLimitExceeded")
    for each in ("task_failure", "on_failure"):
        ours, plain = told(each, "limit")
        assert ours.count(overran) == 1
        assert overran in plain  # Celery 5.7 sends the signal twice
    call(acme, "worker", FLAGS)
    for worker in workers:
        worker.kill_group()
    start()
    again = {"late", "late_rejects", "late_retries"}
    assert started_again("worker", again) == [again, again]
    once = [(name, "WorkerLostError") for name in ("early", "early_rejects", "early_retries")]
    wait_until(lambda: told("task_failure", "worker")[0] == once)  # plain Celery tells nobody
    dead = Job.objects.filter(state="dead")
    both = {"acme.late_rejects", "acme.late_retries", "acme.overruns_late"}
    assert {job.kind for job in dead} == {f"acme.{name}" for name in (*FLAGS, *OVERRUNS)} - both
    assert all(UNDECIDED in job.error for job in dead)


def test_what_runs_at_a_deploy_ends_where_it_began(acme, processes, worker_env):
    """Without a grace a worker that stops waits as Celery's does: no task starts twice."""
    ledger, _ = acme
    deploys = int(os.environ.get("DEPLOYS", "2"))
    worker = start_ledger(processes, worker_env)
    for deploy in range(deploys):
        labels = [f"{deploy}-{number}" for number in range(2)]
        for label in labels:
            ledger.tasks["acme.takes"].delay(label, 4.0)
        wait_until(lambda names=labels: Effect.objects.filter(name__in=names).count() >= 2)
        worker.send(signal.SIGTERM)
        worker = start_ledger(processes, worker_env)
    wait_until(lambda: not Job.objects.exclude(state="succeeded").exists(), timeout=30)
    told = Counter(Effect.objects.values_list("name", "value"))
    assert set(told.values()) == {1}
    assert len(told) == 2 * 2 * deploys
    assert set(Job.objects.values_list("attempt", "losses")) == {(1, 0)}


def test_a_workers_options_are_about_jobs(acme, processes, worker_env):
    """`--time-limit` ends a job and no doorbell, `--max-tasks-per-child` counts jobs."""
    ledger, _ = acme
    start_ledger(processes, worker_env, 1, "--max-tasks-per-child=3", "--time-limit=3")
    pids = [ledger.tasks["acme.pid"].delay() for _ in range(9)]
    wait_until(lambda: all(call.ready() for call in pids), timeout=60)
    ran = Counter(call.get() for call in pids)
    assert max(ran.values()) <= 3
    assert len(ran) >= 3
    slow = ledger.tasks["acme.takes"].delay("slow", 60)
    brief = [ledger.tasks["acme.takes"].delay(f"brief {number}", 1.2) for number in range(3)]
    wait_until(lambda: all(call.ready() for call in (slow, *brief)), timeout=60)
    assert [call.state for call in (slow, *brief)] == ["FAILURE"] + ["SUCCESS"] * 3
    assert isinstance(slow.result, TimeLimitExceeded)
    assert Effect.objects.filter(name="slow").count() == 1
