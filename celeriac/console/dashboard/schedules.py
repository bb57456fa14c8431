"""Beats with their heartbeats, and what fires next: for projects with schedules."""

from datetime import datetime
from typing import Any

from django.db.models import F
from django_celery_beat.models import PeriodicTask

from celeriac.console.dashboard import links
from celeriac.console.dashboard.processes import MOST, REMEMBERED, age_of
from celeriac.schedules import api as schedules
from celeriac.schedules.models import Beat, Policy

TICKS = 8


def schedule_facts(now: datetime) -> dict[str, Any]:
    """Return what the page shows of schedules."""
    return {"beats": living_beats(now), "ticks": next_ticks(now), "faults": schedule_faults()}


def living_beats(now: datetime) -> list[dict[str, Any]]:
    """Return the beats that have not signed off."""
    rows = Beat.objects.living(REMEMBERED).with_life()[:MOST]
    return [
        {"name": str(row), "fired": row.fired, "age": age_of(row.beat_at, now), "alive": row.lives}
        for row in rows
    ]


def next_ticks(now: datetime) -> list[dict[str, Any]]:
    """Return what fires next; a time in the past means that no beat has come to it."""
    rows = (
        Policy.objects.filter(next_fire_at__isnull=False, periodic_task__enabled=True)
        .order_by(F("next_fire_at"), "pk")
        .select_related("periodic_task")[:TICKS]
    )
    return [
        {
            "name": row.periodic_task.name,
            "kind": row.periodic_task.task,
            "url": links.page_link(PeriodicTask, row.pk),
            "at": row.next_fire_at,
            "late": age_of(row.next_fire_at, now) if row.next_fire_at else 0.0,
            "paused": _is_paused(row, now),
        }
        for row in rows
    ]


def schedule_faults() -> list[dict[str, str]]:
    """Return the schedules that can't fire, or whose job can't be made, and why."""
    return [
        {"name": task.name, "url": links.page_link(PeriodicTask, task.pk), "fault": fault}
        for task, fault in schedules.schedule_faults(most=MOST)
    ]


def _is_paused(row: Policy, now: datetime) -> bool:
    return row.paused_at is not None and (row.paused_until is None or row.paused_until > now)
