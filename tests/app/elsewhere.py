"""Tasks in a module that no process loads at its start: found by path when they run."""

import asyncio

from celeriac.django_tasks.origin import task
from tests.app.models import Effect


@task
def note(name):
    """Leave an effect."""
    Effect.objects.create(name=name)
    return name


@task
async def anote(name):
    """Leave an effect, as a coroutine."""
    await asyncio.sleep(0)
    await Effect.objects.acreate(name=name)
    return name


@task(backend="immediate")
def others(name):
    """Leave an effect, by default on another backend."""
    Effect.objects.create(name=name)
    return name


def no_task():
    """Be no task."""
    raise AssertionError("only tasks may run")
