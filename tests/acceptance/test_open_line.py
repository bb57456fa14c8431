"""Real workers whose children stay on the open line: what it brings, and what it never costs."""

import contextlib
import os
import signal
import threading
import time

import pytest
from celery import Celery
from django.db import connection

from celeriac import enqueue
from celeriac.jobs import nudge
from celeriac.jobs.models import Job, Worker
from celeriac.jobs.open_line import PREFIX
from config.celery import app
from tests.acceptance.conftest import send_doorbell
from tests.app.models import Effect
from tests.support.processes import wait_until

FAST = {"CELERIAC_HEARTBEAT_SECONDS": "0.5", "CELERIAC_WORKER_LEASE_SECONDS": "3"}


@pytest.fixture(autouse=True)
def speaks():
    """Let the test's own nudges through, whatever an earlier test did to the broker."""
    nudge.reset()
    yield
    nudge.reset()


@pytest.fixture
def places(broker):
    """Return a function that counts the children that offer a place now."""
    return lambda: len(broker.keys(f"{PREFIX}place:*"))


@pytest.fixture
def stay(write, ring, places):
    """Return a function that has so many children go onto the line, each by a doorbell."""

    def go(children=2):
        ring(write("test.note", [{"name": "first"}]))
        for _ in range(200):
            with contextlib.suppress(AssertionError):
                return wait_until(lambda: places() >= children, timeout=0.3, every=0.01)
            ring(write("test.note", [{"name": "first"}]))
        raise AssertionError(f"{places()} of {children} on the line")

    return go


@pytest.fixture
def worker(processes, stay):
    """Return a worker whose two children wait on the line."""
    made = processes.worker(queues=["default"], concurrency=2, env=FAST)
    stay()
    return made


@contextlib.contextmanager
def jobs_coming(every=0.05):
    """Have jobs come all the time, so that no child has been idle for long."""
    ends = threading.Event()

    def go():
        while not ends.wait(every):
            enqueue("test.noop", {})
        connection.close()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join(10)


def run(seconds=5.0, kind="test.noop", **args):
    """Enqueue one job and wait for its end; return how long that took."""
    began = time.monotonic()
    job = enqueue(kind, args)
    ended = Job.objects.filter(pk=job.id, state="succeeded").exists
    wait_until(ended, timeout=seconds, every=0.002)
    return time.monotonic() - began


def plain(name, **options):
    """Send a plain Celery task to the ledger's worker; return a wait for its effect's delay."""
    began = time.monotonic()
    Celery.send_task(app, "test.plain", [name], queue="default", **options)

    def took():
        wait_until(Effect.objects.filter(name=name).exists, timeout=5, every=0.002)
        return time.monotonic() - began

    return took


def test_jobs_run_over_the_line_without_a_dispatcher(worker, places, broker):
    """One at a time, in a transaction, past a dead child; and nothing of it stays after a stop."""
    # No dispatcher runs, so the line alone can have brought them.
    assert sorted(run() for _ in range(20))[10] < 1
    wait_until(lambda: places() == 2, timeout=5)
    child = worker.children()[0]
    child.kill()
    wait_until(lambda: len(worker.children()) == 2, timeout=10)
    time.sleep(0.6)  # for so long its place was good
    run(5)
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 5
    assert all(broker.pttl(key) > 0 for key in broker.keys(f"{PREFIX}*"))
    assert places() == 0
    assert Job.objects.exclude(state="succeeded").count() == 0


def test_a_plain_task_starts_at_once_though_each_child_is_on_the_line(worker, stay, broker):
    """Idle or busy: a message without a free child calls one off; with an ETA as well."""
    idle = []
    for number in range(10):
        stay()
        idle.append(plain(f"idle {number}")())
    assert max(idle) < 1
    with jobs_coming(0.01):
        time.sleep(0.5)
        busy = [plain(f"busy {number}")() for number in range(20)]
        at_once = [plain(f"many {number}") for number in range(6)]
        assert max(took() for took in at_once) < 1.5
        assert 1 <= plain("eta", countdown=1)() < 2.5
    assert sorted(busy)[10] < 0.5
    assert max(busy) < 1.5


def test_what_an_operator_says_is_heard_on_the_line(worker, stay, places, write, ring):
    """A pool grows and shrinks, queues come and go, and a worker ends by `control shutdown`."""
    control, words = app.control, {"reply": True, "timeout": 5, "limit": 1}
    (said,) = control.broadcast("pool_shrink", arguments={"n": 1}, **words)
    assert "ok" in next(iter(said.values()))
    (stats,) = control.inspect(timeout=5, limit=1).stats().values()
    slots = Worker.objects.filter(slots=1).exists
    wait_until(slots, timeout=10, message=f"{stats['pool']}\n{worker.output}")
    wait_until(lambda: len(worker.children()) == 1, timeout=5)
    (job,) = write("test.note", [{"name": "to the last child, wherever it is by now"}])
    ring([job])
    wait_until(Job.objects.filter(pk=job.pk, state="succeeded").exists, timeout=5)
    wait_until(lambda: places() == 1, timeout=5, every=0.01)
    run()
    (said,) = control.broadcast("pool_shrink", arguments={"n": 1}, **words)
    assert "error" in next(iter(said.values()))
    control.pool_grow(1, **words)
    wait_until(Worker.objects.filter(slots=2).exists, timeout=10)
    stay()
    control.cancel_consumer("default", **words)
    wait_until(lambda: places() == 0, timeout=5)
    job = enqueue("test.noop", {})
    time.sleep(0.7)
    assert Job.objects.get(pk=job.id).state == "queued"
    control.add_consumer("default", **words)
    stay()
    with jobs_coming(0.02):
        time.sleep(0.5)
        began = time.monotonic()
        control.shutdown()
        assert worker.wait(15) == 0
        assert time.monotonic() - began < 5, worker.output
    assert "Traceback" not in worker.output


def test_a_child_is_called_off_after_another_has_died(worker, broker, write, ring):
    """Celery frees a place twice for a dead child, and lets more messages through than fit."""
    first = int(broker.keys(f"{PREFIX}place:*")[0].rpartition(b":")[2])
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: first not in {child.pid for child in worker.children()}, timeout=10)
    wait_until(lambda: len(worker.children()) == 2, timeout=10)
    long = write("test.sleep", [{"seconds": 6.0}])
    ring(long)
    wait_until(Job.objects.filter(pk=long[0].pk, state="running").exists)
    assert plain("beside")() < 2


@pytest.fixture
def dispatcher(processes):
    """Return a dispatcher that is ready."""
    process = processes.dispatcher(env={**FAST, "CELERIAC_QUEUE_LEASE_SECONDS": "2"})
    process.wait_for_output("dispatcher ready")
    return process


def test_no_fault_of_the_broker_or_a_child_keeps_a_job_waiting(worker, dispatcher, broker, stay):
    """What was lost with either is found by the dispatcher's own look."""
    broker.flushall()
    assert run(4) < 4
    stay()
    frozen = worker.children()
    for child in frozen:
        os.kill(child.pid, signal.SIGSTOP)
    job = enqueue("test.noop", {})
    time.sleep(0.7)
    for child in frozen:
        os.kill(child.pid, signal.SIGCONT)
    wait_until(Job.objects.filter(pk=job.id, state="succeeded").exists, timeout=8)
    stay()
    broker.script_flush()
    run(4)
    assert Job.objects.filter(losses__gt=0).count() == 0


def test_foreign_values_at_the_lines_keys_keep_no_job_waiting(worker, dispatcher, broker):
    """Each is met by whoever calls; doorbells and nudges go the other way."""
    for name in ("free:default", "on:default", "more:default", "held"):
        broker.delete(PREFIX + name)
        broker.set(PREFIX + name, b"\xff" * 1_000)
    for _ in range(3):
        run(8)
    for key in broker.keys(f"{PREFIX}place:*"):
        mailbox = f"{PREFIX}mail:{key.decode().removeprefix(f'{PREFIX}place:')}"
        broker.rpush(mailbox, b"\x00" * 1_000_000)
    broker.delete(
        *(PREFIX + name for name in ("free:default", "on:default", "more:default", "held"))
    )
    for _ in range(3):
        run(8)
    assert "Traceback" not in worker.output
    assert "Traceback" not in dispatcher.output


def test_a_long_job_and_another_queue_take_nobodys_place(processes, dispatcher, stay, worker):
    """What one child is busy with, or another worker is for, keeps nothing waiting."""
    processes.worker(queues=["payments"], concurrency=1, env=FAST)
    long = enqueue("test.sleep", {"seconds": 4.0})
    wait_until(Job.objects.filter(pk=long.id, state="running").exists, timeout=5)
    took = [run(4) for _ in range(10)]
    assert sorted(took)[5] < 1.5
    job = enqueue("test.noop", {}, queue="payments")
    wait_until(Job.objects.filter(pk=job.id, state="succeeded").exists, timeout=5)
    wait_until(Job.objects.filter(pk=long.id, state="succeeded").exists, timeout=8)
    assert plain("after")() < 2


def test_a_failing_job_that_a_message_brought_is_mirrored(worker, write, stay):
    """Celery hears of the failure by the job's id; its child comes onto the line again."""
    (job,) = write("test.fail", [{}])
    send_doorbell("test.fail", [str(job.pk)], task_id=str(job.pk), queue="default")
    wait_until(lambda: Job.objects.get(pk=job.pk).failures == 1, timeout=5)
    wait_until(lambda: f"test.fail[{job.pk}] retry:" in worker.output, timeout=5)
    stay()
    run()


def test_a_limit_of_the_pool_ends_no_stay_on_the_line(processes, write, ring, places):
    """It is set for plain tasks alone: Celery would count all that a child does while it stays."""
    worker = processes.worker("--time-limit", "1", queues=["default"], concurrency=1, env=FAST)
    for _ in range(4):
        jobs = write("test.note", [{"name": "a"}])
        ring(jobs)
        wait_until(Job.objects.filter(pk=jobs[0].pk, state="succeeded").exists, timeout=5)
        wait_until(lambda: places() == 1)
        time.sleep(0.6)  # longer than the limit, in all
    assert "Traceback" not in worker.output
    assert "time limit" not in worker.output
