"""The sidebar: what an operator needs first, each line for those who may see its page."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.http import HttpRequest

from celeriac.console.sites import address
from celeriac.core.plugins import plugins
from celeriac.settings import conf

#: By section: the titles, and the model or the URL behind each. Apps add theirs (core/plugins.py).
SECTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "Jobs": (
        ("Jobs", "celeriac_jobs.job"),
        ("Dead letters", "admin:ops_dead_letters"),
        ("Attempts", "celeriac_jobs.attempt"),
        ("Queues", "celeriac_jobs.queue"),
        ("Routes", "celeriac_jobs.route"),
        ("Workers", "celeriac_jobs.worker"),
        ("Bulk actions", "celeriac_console.bulkaction"),
        ("Flower", "flower:index"),
    ),
    "Circuits": (
        ("Breakers", "celeriac_breakers.breaker"),
        ("Transitions", "celeriac_breakers.transition"),
    ),
    "Schedules": (
        ("Periodic tasks", "django_celery_beat.periodictask"),
        ("Ticks", "celeriac_schedules.tick"),
        ("Beats", "celeriac_schedules.beat"),
        ("Crontabs", "django_celery_beat.crontabschedule"),
        ("Intervals", "django_celery_beat.intervalschedule"),
        ("Clocked", "django_celery_beat.clockedschedule"),
        ("Solar events", "django_celery_beat.solarschedule"),
    ),
    "Plain Celery": (
        ("Task results", "django_celery_results.taskresult"),
        ("Group results", "django_celery_results.groupresult"),
    ),
    "Who may what": (("Audit trail", "celeriac_core.audit"), ("Groups", "auth.group")),
}
#: What a page that is no model's list needs.
NEEDS = {
    "admin:ops_dead_letters": "celeriac_jobs.view_job",
    "flower:index": "celeriac_monitoring.view_flower",
}


def sidebar_of(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sections for unfold, Flower's line only where there is a Flower."""
    dashboard = {"title": "Console", "link": address("admin:index")}
    found = (
        {"title": title, "items": [_line(*each) for each in lines if _is_there(each[1])]}
        for title, lines in sidebar_sections()
    )
    return [{"items": [dashboard]}, *(section for section in found if section["items"])]


def sidebar_sections() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the sections in order, with the lines of apps: new ones stand before the last two."""
    every = {title: list(lines) for title, lines in SECTIONS.items()}
    order = list(every)
    for plugin in plugins():
        for title, lines in plugin.sidebar.items():
            if title not in every:
                order.insert(-2, title)
            every.setdefault(title, []).extend(lines)
    return [(title, every[title]) for title in order]


def _is_there(place: str) -> bool:
    """Say whether a page is there: its app may be no part of the project."""
    if place == "flower:index":
        return bool(conf.FLOWER_BASIC_AUTH)
    app = place.partition(".")[0]
    return ":" in place or app in apps.app_configs


def _line(title: str, place: str) -> dict[str, Any]:
    app, _, model = place.partition(".")
    link = address(f"admin:{app}_{model}_changelist") if model else address(place)
    needed = NEEDS.get(place) or f"{app}.view_{model}"
    return {"title": title, "link": link, "permission": _permitted(needed)}


def _permitted(needed: str) -> Callable[[HttpRequest], bool]:
    """Return the question whether a user may see a page; who may change may see."""
    app, _, codename = needed.partition(".")
    names = {needed, f"{app}.{codename.replace('view_', 'change_', 1)}"}
    return lambda request: any(request.user.has_perm(name) for name in names)
