"""All that one refresh shows, by what the reader may see."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.auth.models import AbstractUser, AnonymousUser

from celeriac.console.dashboard import attention, charts, dead_letters, processes, queues
from celeriac.core import clock
from celeriac.core.plugins import plugins
from celeriac.jobs.operating.stopped import stopped_in_a_row
from celeriac.monitoring.rollups import chart_series, rolling

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


def build_payload(user: Reader, *, window: str, seen: str = "") -> dict[str, Any]:
    """Return the facts; `charts` is None when `seen` says that the reader has them already."""
    now = clock.db_now()
    upto = rolling.rolled_upto()
    facts = _sections(user, now)
    return facts | {
        "at": now,
        "window": window,
        "attention": attention.attention_sentences(facts, now, upto, _of_apps(user)),
        "charts": _charts(window, upto, seen) if user.has_perm(JOBS) else None,
    }


def _sections(user: Reader, now: datetime) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    workers = processes.recent_workers()
    if user.has_perm(JOBS):
        facts["queues"] = queues.read_queues(now, [each for each in workers if each.lives])
        facts["parked"] = queues.parked_jobs(facts["queues"])
        facts["dead"] = dead_letters.read_dead_letters()
        facts["stopped"] = stopped_in_a_row()
    if user.has_perm(WORKERS):
        facts["workers"] = processes.show_workers(workers, now)
        facts["dispatchers"] = queues.dispatcher_rows(now)
        facts["silent"] = processes.silent_processes(now)
    if user.has_perm(CIRCUITS):
        facts["circuits"] = processes.circuit_rows()
    if apps.is_installed("celeriac.schedules") and user.has_perm(SCHEDULES):
        from celeriac.console.dashboard import schedules  # models of an app that may be left out

        facts |= schedules.schedule_facts(now)
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
    if upto is None or seen == charts.charts_version(window, upto):
        return None
    return charts.draw_series(window, upto)


def chart_windows() -> list[dict[str, str]]:
    """Return the windows to choose from."""
    return [{"name": each.name, "label": each.label} for each in chart_series.WINDOWS.values()]
