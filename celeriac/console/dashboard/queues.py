"""Queues: what they hold, what holds them, who serves them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from celeriac.console.dashboard import links
from celeriac.jobs.holds import HOLDS
from celeriac.jobs.models import Queue, Worker
from celeriac.monitoring.models import Sample
from celeriac.monitoring.rollups import backlog
from celeriac.monitoring.rollups.backlog import Backlog
from celeriac.settings import conf

#: How far into each queue a refresh looks; the minute's sample knows the rest.
MOST = 5_000
#: A sample is too old to say how much a queue holds after so long.
STALE = timedelta(minutes=3)
_TITLES = {hold.code: hold.title for hold in HOLDS}


def read_queues(now: datetime, workers: list[Worker]) -> list[dict[str, Any]]:
    """Return every queue with its backlog; `workers` are those that live."""
    rows = {row.name: row for row in Queue.objects.with_state()}
    found = backlog.read_backlogs(most=MOST)
    samples = _samples(now) if any(each.at_least for each in found) else {}
    served = {queue for worker in workers for queue in worker.queues}
    return [
        _queue(each, rows.get(each.queue), samples.get(each.queue), now)
        | {"worked": each.queue in served}
        for each in found
    ]


def parked_jobs(queues: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what holds jobs back, most jobs first."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for queue in queues:
        for reason, by, count in queue["parked"]:
            why = _TITLES[reason].format(by=by)
            row = {"why": why, "reason": reason, "by": by, "count": 0, "at_least": False}
            mine = found.setdefault((reason, by), row)
            mine["count"] += count
            mine["at_least"] |= queue["more"] != ""
    return sorted(found.values(), key=lambda row: -row["count"])


def dispatcher_rows(now: datetime) -> list[dict[str, Any]]:
    """Return who holds the queues' leases, and how long ago each said so."""
    found: dict[str, dict[str, Any]] = {}
    for row in Queue.objects.exclude(lease_until=None).exclude(holder=None):
        if row.lease_until is None:
            continue
        left = (row.lease_until - now).total_seconds()
        age = max(0.0, conf.QUEUE_LEASE_SECONDS - left)
        mine = found.setdefault(
            str(row.holder), {"name": row.holder_name, "queues": [], "age": age, "alive": False}
        )
        mine["queues"].append(row.name)
        mine["age"] = min(mine["age"], age)
        mine["alive"] |= left > 0
    return sorted(found.values(), key=lambda each: each["name"])


def _queue(each: Backlog, row: Queue | None, sampled: int | None, now: datetime) -> dict[str, Any]:
    waiting, more = each.waiting, "at least" if each.at_least else ""
    if each.at_least and sampled is not None and sampled > waiting:
        waiting, more = sampled, "about"
    return {
        "name": each.queue,
        "url": links.page_link(Queue, each.queue) if row else links.jobs_link(queue=each.queue),
        "waiting": waiting,
        "more": more,
        "views": {
            "queued": each.queued,
            "scheduled": each.scheduled,
            "retrying": each.retrying,
            "parked": each.held,
        },
        "running": each.running,
        "oldest": round(each.oldest, 1),
        "oldest_free": round(each.oldest_free, 1),
        "parked": [[one.reason, one.by, one.count] for one in each.parked],
        "pause": _pause(row) if row and row.is_paused else None,
        "dispatched": bool(row and row.is_served),
    }


def _pause(row: Queue) -> dict[str, Any]:
    return {"by": row.paused_by, "reason": row.pause_reason, "until": row.paused_until}


def _samples(now: datetime) -> Mapping[str, int]:
    rows = Sample.objects.filter(span=60, at__gt=now - STALE).order_by("at")
    return dict(rows.values_list("queue", "waiting"))
