"""All that one refresh shows, by what the reader may see."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractUser, AnonymousUser

from celeriac.console.dashboard import attention, charts, crew, dead, queues
from celeriac.core import clock
from celeriac.core.plugins import plugins
from celeriac.monitoring.rollups import read, roll

#: What each part of the page needs: the same as the admin's list of it.
JOBS = "celeriac_jobs.view_job"
WORKERS = "celeriac_jobs.view_worker"
CIRCUITS = "celeriac_breakers.view_breaker"
SCHEDULES = "django_celery_beat.view_periodictask"
ANY = (JOBS, WORKERS, CIRCUITS, SCHEDULES)

Reader = AbstractUser | AnonymousUser


def may_see(user: Reader) -> bool:
    """Whether the dashboard has anything for this user."""
    staff = user.is_active and user.is_staff
    return staff and any(user.has_perm(name) for name in ANY)


def build(user: Reader, *, window: str, seen: str = "") -> dict[str, Any]:
    """Return the facts; `charts` is None when `seen` says that the reader has them already."""
    now = clock.read()
    upto = roll.rolled_upto()
    facts = _sections(user, now)
    return facts | {
        "at": now,
        "window": window,
        "attention": attention.sentences(facts, now, upto, _of_apps(user)),
        "charts": _charts(window, upto, seen) if user.has_perm(JOBS) else None,
    }


def _sections(user: Reader, now: datetime) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    workers = crew.workers()
    if user.has_perm(JOBS):
        facts["queues"] = queues.read(now, [each for each in workers if each.lives])
        facts["parked"] = queues.parked(facts["queues"])
        facts["dead"] = dead.read()
    if user.has_perm(WORKERS):
        facts["workers"] = crew.show_workers(workers, now)
        facts["dispatchers"] = queues.dispatchers(now)
        facts["silent"] = crew.silent(now)
    if user.has_perm(CIRCUITS):
        facts["circuits"] = crew.circuits()
    if user.has_perm(SCHEDULES):
        facts["beats"] = crew.beats(now)
        facts["ticks"] = crew.ticks(now)
        facts["faults"] = crew.faults()
    return facts


def _of_apps(user: Reader) -> list[dict[str, str]]:
    """Return what apps have to say."""
    return [
        asdict(sentence)
        for plugin in plugins()
        for each in plugin.attention
        if user.has_perm(each.permission)
        for sentence in each.sentences()
    ]


def _charts(window: str, upto: datetime | None, seen: str) -> dict[str, Any] | None:
    if upto is None or seen == charts.version(window, upto):
        return None
    return charts.draw(window, upto)


def windows() -> list[dict[str, str]]:
    """Return the windows to choose from."""
    return [{"name": each.name, "label": each.label} for each in read.WINDOWS.values()]
