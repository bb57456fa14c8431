"""Rolling up: counts the endings of closed minutes, once a minute, and samples the queues.

Counting again changes nothing, so a pass begins a little before its predecessor's end, and
every ten minutes half an hour before: a run is written with the time at which it ended,
which may be minutes after that time (a doorbell settles its jobs together, and waits for a
database that is away). After a downtime, what was missed is caught up in chunks.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from celeriac.core import clock, tables
from celeriac.core.ids import lowest_uuid7
from celeriac.core.queries import execute, fetch_row
from celeriac.monitoring.models import Pass, Sample
from celeriac.monitoring.rollups import backlog, sql
from celeriac.settings import conf

MINUTE, FIVE_MINUTES, HOUR = 60, 300, 3600
#: How many days the shorter spans are kept: charts draw hours where they look further back.
KEPT = {MINUTE: 2.0, FIVE_MINUTES: 9.0}
#: How far back the first pass looks, and how much one transaction takes on.
FIRST, CHUNK = timedelta(days=7), timedelta(hours=12)
#: How much is counted again each time, and how much each DEEP_EVERY.
SOON, LATE = timedelta(minutes=2), timedelta(minutes=30)
DEEP_EVERY = timedelta(minutes=10)
#: The most queued jobs of one queue that a sample counts.
MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Edge:
    """Up to where minutes are over, now, and how far a test has set the clock ahead."""

    upto: datetime
    now: datetime
    ahead: timedelta


def roll_up_minutes() -> datetime:
    """Count what has ended in closed minutes, sample the queues; return how far it came."""
    edge = _edge()
    since, deep = _start(edge)
    while since < edge.upto:
        until = min(since + CHUNK, edge.upto)
        _count(since, until, edge, deep=deep)
        since = until
    _sample(edge.upto)
    _forget(edge.now)
    return edge.upto


def rolled_upto() -> datetime | None:
    """Return up to when everything has been counted; None before the first pass."""
    found: datetime | None = Pass.objects.aggregate(upto=Max("upto"))["upto"]
    return found


def safe_to_prune() -> datetime:
    """Return before when nothing will be counted any more; at most a day ago."""
    day_ago = clock.db_now() - timedelta(days=1)
    upto = rolled_upto()
    return max(upto - LATE, day_ago) if upto else day_ago


def _edge() -> Edge:
    return Edge(*fetch_row(sql.EDGE))


def _start(edge: Edge) -> tuple[datetime, bool]:
    """Return where to begin, and whether that is far back."""
    passes = Pass.objects.order_by("-ran_at", "-id")
    latest = passes.first()
    if latest is None:
        return edge.upto - FIRST, True
    if latest.upto < edge.upto - CHUNK:  # after a downtime, or in the middle of catching up
        return latest.upto - LATE, True
    deep = not passes.filter(deep=True, ran_at__gt=edge.now - DEEP_EVERY).exists()
    base = passes.filter(ran_at__lte=edge.now - (LATE if deep else SOON)).first()
    if base is not None:
        return min(base.upto, latest.upto), deep
    return latest.upto - (LATE if deep else SOON), deep


def _count(since: datetime, until: datetime, edge: Edge, *, deep: bool) -> None:
    first = _first_attempt(since - edge.ahead)
    values: dict[str, Any] = {"since": since, "until": until, "attempt": first}
    with transaction.atomic():
        execute("SET LOCAL jit = off")  # compiling takes longer than any of these
        execute(sql.ROLL, values)
        execute(sql.ROLL_ERRORS, values)
        for span in (FIVE_MINUTES, HOUR):
            execute(sql.FOLD, values | {"span": span})
            execute(sql.FOLD_ERRORS, values | {"span": span})
        Pass.objects.create(upto=until, deep=deep)


def _first_attempt(since: datetime) -> UUID:
    """Return an id that no attempt which ended since then is less than, clocks a minute apart."""
    return lowest_uuid7(since - timedelta(minutes=1))


def _sample(at: datetime) -> None:
    rows = [
        Sample(
            span=MINUTE,
            at=at,
            queue=each.queue,
            waiting=each.waiting,
            parked=each.held,
            running=each.running,
            oldest=each.oldest,
        )
        for each in backlog.read_backlogs(most=MOST)
    ]
    Sample.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["span", "at", "queue"],
        update_fields=["waiting", "parked", "running", "oldest"],
    )
    values: dict[str, Any] = {"since": at, "until": at + timedelta(seconds=MINUTE)}
    for span in (FIVE_MINUTES, HOUR):
        execute(sql.FOLD_SAMPLES, values | {"span": span})


def _forget(now: datetime) -> None:
    for table in (tables.ROLLUP, tables.ERROR_ROLLUP, tables.SAMPLE):
        for span, days in (KEPT | {HOUR: conf.ROLLUPS_RETENTION_DAYS}).items():
            execute(sql.FORGET.format(table=table), {"span": span, "days": days})
    Pass.objects.filter(ran_at__lt=now - timedelta(days=2)).delete()
