"""Functions of Django's Tasks API, in the place where every process looks for them."""

import asyncio
import time

from asgiref.sync import sync_to_async
from django.utils import timezone

from celeriac import Backoff, GiveUp, current_job
from celeriac.django_tasks import task as ledger_task
from celeriac.django_tasks.origin import task
from tests.app.models import Effect

SOON = Backoff(max_attempts=3, base=0.1, cap=0.1, floor=0.05)


@task
def noop(*args, **kwargs):
    """Do nothing."""


@task
def add(a, b=2):
    """Return a sum."""
    return a + b


@task
def note(name, /, *values, **named):
    """Leave an effect."""
    Effect.objects.create(name=name, value=str([list(values), named]))
    return {"values": values, **named}


@task
async def anote(name, seconds=0.0):
    """Leave an effect through Django's async ORM."""
    await asyncio.sleep(seconds)
    await Effect.objects.acreate(name=name)
    return name


@task(takes_context=True)
def describe(context, word=""):
    """Return what the context says."""
    return {"attempt": context.attempt, "id": context.task_result.id, "word": word}


@task(takes_context=True)
async def adescribe(context):
    """Return what the context says, as a coroutine."""
    return context.attempt


@task
def fail(message="no luck"):
    """Fail."""
    raise ValueError(message)


@task
def fail_within():
    """Fail with an error that holds another."""
    raise ValueError(ValueError("this task failed"))


@task
def exit_hard():
    """Raise what is no Exception."""
    raise SystemExit(3)


@task
def unjson():
    """Return what JSON can't hold."""
    return timezone.now()


@task
def unstorable(how):
    """Return what JSON has no place for, each in its way."""
    endless = []
    endless.append(endless)
    values = {"nul": "a\x00b", "keys": {1: 2}, "endless": endless, "nan": float("nan")}
    return {**values, "large": "x" * 2_000_000, "huge": 2**70}[how]


@ledger_task(retry=SOON)
def fail_twice(name):
    """Fail at the first two runs."""
    if current_job().attempt < 3:
        raise RuntimeError(f"run {current_job().attempt}")
    Effect.objects.create(name=name)
    return current_job().attempt


@ledger_task(retry=SOON)
def unjson_once():
    """Leave an effect, then return what JSON can't hold."""
    Effect.objects.create(name="unjson")
    return {1, 2}


@ledger_task(retry=Backoff(max_attempts=1), timeout=0.2)
async def too_long(seconds):
    """Await past the soft limit, cleaning up through the database."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await Effect.objects.acreate(name="cleaned up")
        raise


@ledger_task(transactional=True, retry=Backoff(max_attempts=1))
async def all_or_nothing(name, fails=False):
    """Leave an effect in the transaction that completes the job."""
    await Effect.objects.acreate(name=name)
    if fails:
        raise ValueError("after the effect")


@ledger_task(lock="account:{account}", unique="account:{account}", retry=SOON)
def locked(account, amount=0):
    """Do something to one account at a time."""
    return account


@ledger_task(backend="hasty", aliases=("tests.app.tasks.former",))
def hasty(seconds=0.0):
    """Run under its backend's defaults."""
    time.sleep(seconds)


@task
def give_up():
    """Give up."""
    raise GiveUp("no such customer")


@task
async def in_loop():
    """Return whether sync code called from here runs on the job's own connection."""
    return str((await sync_to_async(current_job)()).id)


def plain_function():
    """Be no task."""


not_its_name = task(plain_function)
