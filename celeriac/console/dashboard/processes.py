"""Who works: workers with their heartbeats, and circuits."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef

from celeriac.breakers.api import breaker_statuses
from celeriac.breakers.models import Breaker
from celeriac.console.dashboard import links
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.models import Job, Worker
from celeriac.jobs.operating.unresponsive import unresponsive_processes

#: Workers, and beats, that went without a word are shown for so long.
REMEMBERED = timedelta(hours=1)
MOST = 50
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
            "age": age_of(row.heard_at, now),
            "alive": row.lives,
            # It died, and what it held was taken back: over, whatever the row looks like.
            "over": not row.lives and not row.holds,  # type: ignore[attr-defined]  # workers()
        }
        for row in rows
    ]


def silent_processes(now: datetime) -> list[dict[str, Any]]:
    """Return who lives and does nothing, though there was something to do."""
    return [
        {"sentence": each.sentence, "todo": each.todo, "age": age_of(each.since, now)}
        for each in unresponsive_processes()
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


def age_of(moment: datetime, now: datetime) -> float:
    """Return how many seconds ago a moment was; 0 where it is ahead."""
    return max(0.0, round((now - moment).total_seconds(), 1))
