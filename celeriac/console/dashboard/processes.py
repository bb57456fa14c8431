"""Who works: workers and beats with their heartbeats, circuits, and what fires next."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef
from django_celery_beat.models import PeriodicTask

from celeriac.breakers.api import breaker_statuses
from celeriac.breakers.models import Breaker
from celeriac.console.dashboard import links
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.models import Job, Worker
from celeriac.jobs.operating.unresponsive import unresponsive_processes
from celeriac.schedules import api as schedules
from celeriac.schedules.models import Beat, Policy

#: Workers and beats that went without a word are shown for so long.
REMEMBERED = timedelta(hours=1)
MOST = 50
TICKS = 8
_FINE = ("closed", "forced closed")


def recent_workers() -> list[Worker]:
    """Return the workers that have not signed off, those silent for long left out.

    Each has `holds`: whether jobs run there as far as the ledger knows.
    """
    rows = Worker.objects.living(REMEMBERED)
    running = Job.objects.running().filter(worker=OuterRef("pk"))
    rows = rows.annotate(holds=Exists(running)).defer("kinds", "run_times")
    return list(rows.order_by("name", "-beat_at")[:MOST])


def show_workers(rows: list[Worker], now: datetime) -> list[dict[str, Any]]:
    """Return the workers as the page wants them."""
    every = set(queue_names())
    return [
        {
            "name": row.name,
            "url": links.page_link(Worker, row.pk),
            "queues": row.queues,
            "everywhere": set(row.queues) >= every,
            "slots": row.slots,
            "busy": len(row.claims) if row.lives else 0,
            "age": _age(row.heard_at, now),
            "alive": row.lives,
            # It died, and what it held was taken back: over, whatever the row looks like.
            "over": not row.lives and not row.holds,  # type: ignore[attr-defined]  # workers()
        }
        for row in rows
    ]


def silent_processes(now: datetime) -> list[dict[str, Any]]:
    """Return who lives and does nothing, though there was something to do."""
    return [
        {"sentence": each.sentence, "todo": each.todo, "age": _age(each.since, now)}
        for each in unresponsive_processes()
    ]


def living_beats(now: datetime) -> list[dict[str, Any]]:
    """Return the beats that have not signed off."""
    rows = Beat.objects.living(REMEMBERED).with_life()[:MOST]
    return [
        {"name": str(row), "fired": row.fired, "age": _age(row.beat_at, now), "alive": row.lives}
        for row in rows
    ]


def circuit_rows() -> list[dict[str, Any]]:
    """Return every circuit, those that hold something back first."""
    found = [
        {
            "name": each.name,
            "url": links.page_link(Breaker, each.name) if each.changed_at else "",
            "state": each.state,
            "fine": each.state in _FINE,
            "until": None if each.state == "closed" else each.until,
            "by": each.forced_by,
            "reason": each.forced_reason,
            "calls": each.calls,
            "failure_rate": each.failure_rate,
            "last_error": each.last_error,
        }
        for each in breaker_statuses()
    ]
    return sorted(found, key=lambda each: (each["fine"], each["name"]))


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
            "late": _age(row.next_fire_at, now) if row.next_fire_at else 0.0,
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


def _age(moment: datetime, now: datetime) -> float:
    return max(0.0, round((now - moment).total_seconds(), 1))
