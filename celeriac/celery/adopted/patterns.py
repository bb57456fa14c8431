"""Which of a project's own Celery tasks are jobs: those whose names fit `CELERIAC["TASKS"]`."""

import os
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from django.conf import settings

from celeriac.settings import conf

#: Celery's own, and ours: they are about the machinery.
_NEVER = ("celery.", "celeriac.")
#: Celery's own tasks that its canvas is made with: they run others, or gather results.
CARRIERS = frozenset({"celery.map", "celery.starmap", "celery.accumulate"})


def is_adopted(name: str | None) -> bool:
    """Return whether calls of the task of that name are jobs."""
    return bool(name) and _can_be_asked() and fits(str(name), tuple(conf.TASKS))


def is_named_in_shadow(name: str | None) -> bool:
    """Return whether CELERIAC["SHADOW"] names the task."""
    return bool(name) and _can_be_asked() and fits(str(name), tuple(conf.SHADOW))


def _can_be_asked() -> bool:
    """Return whether there are settings: loaded, or named, and nobody loads them now.

    An app may be asked for its tasks before anything else of a worker needs them.
    """
    named = os.environ.get("DJANGO_SETTINGS_MODULE")
    return settings.configured or (named is not None and named not in sys.modules)


def is_carried(name: str, kwargs: Mapping[str, Any] | None) -> bool:
    """Return whether a call of one of Celery's own carriers is about a task of the ledger."""
    return is_adopted(carried_name(name, kwargs))


def carried_name(name: str, kwargs: Mapping[str, Any] | None) -> str | None:
    """Return the name of the task that a call of one of Celery's carriers is about."""
    carried = (kwargs or {}).get("task") if name in CARRIERS else None
    return None if carried is None else carried.get("task")


def may_be_job(name: str | None) -> bool:
    """Return whether jobs may bear that name: a task's, or a carrier's of tasks."""
    return is_adopted(name) or (name in CARRIERS and settings.configured and bool(conf.TASKS))


@lru_cache(maxsize=4096)
def fits(name: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a task's name fits one of the patterns, such as `acme.mail.*`."""
    if name.startswith(_NEVER):
        return False
    return any(fnmatchcase(name, pattern) for pattern in patterns)
