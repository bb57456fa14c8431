"""Kinds that only tests declare. Worker processes load them through CELERIAC['MODULES']."""

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import subprocess
import sys
import time
from uuid import UUID

from celery import shared_task
from django.db import connection
from django_celery_results.models import TaskResult

from celeriac import Backoff, Cancelled, GiveUp, Snooze, current_job, job
from celeriac.jobs.losses import Loss
from celeriac.settings import conf
from tests.app.models import Effect

SOON = Backoff(max_attempts=3, base=0.01, cap=0.05)


def effect(name, value=""):
    """Write a row that says the handler was here."""
    Effect.objects.create(name=name, value=value)


@job("test.note", retry=SOON)
def note(name: str, value: str = "") -> str:
    """Leave an effect."""
    effect(name, value)
    return name


@job("test.shown", celery_result=True, retry=SOON)
def shown(name: str) -> str:
    """Return a name, for readers of django-celery-results too."""
    return name


@job("test.noop", retry=SOON)
def noop(number: int = 0) -> None:
    """Do nothing."""


@job(
    "test.never_twice", retry=Backoff(max_attempts=1), runs_again=frozenset(), fails_on_outage=True
)
def never_twice() -> None:
    """Stand for what Celery starts once: acknowledged before it runs."""


@job("test.late", runs_again=frozenset({Loss.WORKER}), hard_timeout=None)
def late() -> None:
    """Stand for what Celery starts again where a whole worker is lost: acks_late alone."""


@job("test.note_once", transactional=True, retry=SOON)
def note_once(name: str, seconds: float = 0.0) -> str:
    """Leave an effect in the transaction that completes the job."""
    effect(name)
    time.sleep(seconds)
    return name


@job("test.listed", retry=SOON)
def listed(ids: list[str]) -> list[str]:
    """Return a list of ids: as a message it looks like a doorbell."""
    return ids


@job("test.at_home", retry=Backoff(max_attempts=1))
def at_home() -> dict[str, object]:
    """Use of the standard library what handlers elsewhere use."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        in_a_pool = pool.apply(abs, (-7,))
    process = multiprocessing.get_context("fork").Process(target=int)
    process.start()
    process.join()
    said = subprocess.run(["echo", "hello"], stdout=sys.stdout, stderr=sys.stderr)
    print("from a handler", file=sys.stderr)
    return {"pool": in_a_pool, "process": process.exitcode, "echo": said.returncode,
            "out": sys.stdout.fileno() > 0, "tty": sys.stdout.isatty()}  # fmt: skip


@job("test.fail", retry=SOON)
def fail(message: str = "no luck") -> None:
    """Fail."""
    raise ValueError(message)


@job("test.fail_once_each", retry=SOON)
def fail_first(name: str) -> int:
    """Fail at the first run, succeed at the second."""
    attempt = current_job().attempt
    if attempt == 1:
        raise RuntimeError("first run")
    effect(name)
    return attempt


@job("test.give_up", retry=SOON)
def give_up() -> None:
    """Give up."""
    raise GiveUp("no such customer")


@job("test.snooze", retry=SOON)
def snooze(seconds: float = 60.0) -> None:
    """Snooze at the first run, end at the second."""
    if current_job().attempt == 1:
        raise Snooze(seconds, "not yet")


@job("test.sleep", retry=SOON, timeout=120)
def sleep(seconds: float, name: str = "") -> None:
    """Take a while."""
    time.sleep(seconds)
    if name:
        effect(name)


@job("test.where", retry=SOON, timeout=120)
def where(seconds: float = 0.0) -> int:
    """Take a while; say in which process."""
    time.sleep(seconds)
    return os.getpid()


@job("test.short", retry=SOON, timeout=0.2)
def short(seconds: float) -> None:
    """Sleep past or within a short soft limit."""
    time.sleep(seconds)


@job("test.brief", retry=SOON, timeout=2.5, hard_timeout=3.5)
def brief(seconds: float) -> None:
    """Take the seconds, within a limit that a freeze of its process would use up."""
    time.sleep(seconds)


@job("test.stubborn", retry=SOON, timeout=0.2, hard_timeout=1.0)
def stubborn(seconds: float = 30.0) -> None:
    """Ignore the soft limit."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            time.sleep(deadline - time.monotonic())


@job("test.break", retry=SOON)
def break_process() -> None:
    """Leave a process that can't answer another doorbell."""
    vars(conf)["DOORBELL_BUDGET_SECONDS"] = None


@job("test.die", retry=SOON, max_losses=3)
def die(name: str = "") -> None:
    """Take the process down."""
    if name:
        effect(name)
    os._exit(9)


@job("test.cancellable", retry=SOON, timeout=60)
def cancellable(fails: bool = False) -> None:
    """Run until told to stop."""
    deadline = time.monotonic() + 50
    while time.monotonic() < deadline:
        if current_job().should_stop():
            if fails:
                raise ValueError("failed while stopping")
            raise Cancelled
        time.sleep(0.05)


@job("test.stepwise", retry=SOON, timeout=60)
def stepwise() -> None:
    """Run until the worker stops, then go on elsewhere from where it is."""
    if current_job().attempt > 1:
        return
    effect("begun")
    deadline = time.monotonic() + 50
    while time.monotonic() < deadline:
        if current_job().should_stop():
            raise Snooze(0)
        time.sleep(0.05)


@job("test.locked", lock="account:{account}", retry=SOON)
def locked(account: str, seconds: float = 0.05) -> None:
    """Hold a lock for a while, leaving its beginning and its end."""
    effect(f"{account}:in", str(time.monotonic()))
    time.sleep(seconds)
    effect(f"{account}:out", str(time.monotonic()))


@job("test.parent", retry=SOON)
def parent(name: str) -> str:
    """Enqueue a child, then fail at the first run."""
    child = current_job().enqueue("child", "test.note", {"name": name})
    if current_job().attempt == 1:
        raise RuntimeError("after enqueueing the child")
    return str(child.id)


@job("test.mourned", retry=Backoff(max_attempts=1), on_dead="test.mourn")
def mourned() -> None:
    """Die and be mourned."""
    raise ValueError("so it goes")


@job("test.mourn", retry=SOON)
def mourn(job_id: UUID, error: str) -> None:
    """Note a death."""
    effect(f"mourned:{job_id}", error)


@job("test.guarded", breaker="payments", retry=SOON)
def guarded(name: str) -> None:
    """Leave an effect, behind a breaker."""
    effect(name)


@job("test.renamed", aliases=("test.old_name",), retry=SOON)
def renamed(name: str) -> None:
    """Leave an effect under a new name."""
    effect(name)


@job("test.report", retry=SOON)
def report(total: int = 10) -> None:
    """Say how far it is."""
    for done in range(total + 1):
        current_job().progress(done, total)


@job("test.report_once", transactional=True, lock="report", retry=SOON)
def report_once() -> str:
    """Say how far it is, and how the transaction around it will commit."""
    current_job().progress(1, 1)
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return str(cursor.fetchone()[0])


@job("test.unjson", retry=SOON)
def unjson() -> object:
    """Return what JSON can't hold."""
    return object()


@job("test.large", retry=SOON)
def large(size: int = 100_000) -> str:
    """Return a large result."""
    return "x" * size


@shared_task(name="test.plain", bind=True)
def plain(self, name, kill_first=False):
    """Leave an effect that says what its own result row says, as a plain Celery task.

    It dies at the first delivery when told to.
    """
    if kill_first and not self.request.delivery_info.get("redelivered"):
        os._exit(9)
    seen = TaskResult.objects.filter(task_id=self.request.id).values_list("status", flat=True)
    Effect.objects.create(name=name, value=",".join(seen))
    return name


@job("test.await", retry=SOON, timeout=60)
async def await_seconds(seconds: float = 0.3, name: str = "") -> int:
    """Wait as a coroutine does; leave an effect where it has a name."""
    await asyncio.sleep(seconds)
    if name:
        await Effect.objects.acreate(name=name)
    return os.getpid()


@job("test.await_briefly", retry=SOON, timeout=60, hard_timeout=3.0)
async def await_briefly(seconds: float) -> None:
    """Wait, within a short hard limit."""
    await asyncio.sleep(seconds)


@job("test.await_on", retry=SOON, timeout=0.2, hard_timeout=1.0)
async def await_on(seconds: float = 30.0) -> None:
    """Ignore the soft limit."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(deadline - time.monotonic())


@job("test.block", retry=SOON, timeout=60)
async def block(seconds: float) -> None:
    """Keep the loop, without a wait that it could use: Python itself can't go on either."""
    await asyncio.sleep(0.01)
    keep_python(seconds)


def keep_python(seconds: float) -> None:
    """Let no other Python run in this process: what a C function does that takes long."""
    kept = ctypes.PyDLL(None)
    kept.usleep(int(seconds * 1_000_000))
