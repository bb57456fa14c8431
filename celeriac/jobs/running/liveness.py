"""A worker's word that it lives, and which claims its children hold.

The dispatcher believes the row: a worker that has not beaten for its lease is
lost, and so is a claim that a living worker no longer lists. Where somebody's lock
keeps the row from being written, a sign in a row of another table says that it lives.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg.types.json import Jsonb

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.sqlstates import LOCK_NOT_AVAILABLE, QUERY_CANCELED, sqlstate_of

logger = logging.getLogger(__name__)

_BEAT = f"""
INSERT INTO {tables.WORKER} (id, name, host, pid, queues, kinds, slots, claims, run_times,
                         started_at, beat_at, previous_beat_at, answered_at, running, woke_at,
                         canary)
VALUES (%(id)s, %(name)s, %(host)s, %(pid)s, %(queues)s, %(kinds)s, %(slots)s, %(claims)s,
        %(run_times)s, {NOW}, {NOW}, %(looked_after)s,
        {NOW} - make_interval(secs => %(answered_ago)s), %(running)s,
        {NOW} - make_interval(secs => %(woke_ago)s), %(canary)s)
ON CONFLICT (id) DO UPDATE
SET previous_beat_at = excluded.previous_beat_at,
    beat_at = GREATEST({tables.WORKER}.beat_at, excluded.beat_at), claims = excluded.claims,
    run_times = excluded.run_times, queues = excluded.queues,
    kinds = excluded.kinds, slots = excluded.slots, stopped_at = NULL,
    answered_at = GREATEST({tables.WORKER}.answered_at, excluded.answered_at),
    running = excluded.running, woke_at = GREATEST({tables.WORKER}.woke_at, excluded.woke_at)
RETURNING beat_at
"""

_SIGN = f"""
INSERT INTO {tables.SIGN} (worker, given_at) VALUES (%s, {NOW})
ON CONFLICT (worker) DO UPDATE SET given_at = excluded.given_at
"""
#: For one transaction, which must not wait for long.
_IMPATIENT = """
SELECT set_config('lock_timeout', %(lock)s, true), set_config('statement_timeout', %(all)s, true)
"""
#: A lock could not be had in time; a statement took too long.
_HELD = (LOCK_NOT_AVAILABLE, QUERY_CANCELED)

_STOP = f"UPDATE {tables.WORKER} SET stopped_at = {NOW}, claims = '{{}}' WHERE id = %s"


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """Who a worker is: one instance of it."""

    id: UUID
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    kinds: tuple[str, ...]
    slots: int
    #: Where a canary reaches this worker alone.
    canary: str = ""


@dataclass(frozen=True, slots=True)
class ChildrenReport:
    """What a worker's parent has seen of its children."""

    claims: Sequence[UUID] = ()
    running: Sequence[UUID] = ()
    run_times: dict[str, float] = field(default_factory=dict)
    #: Seconds since the database last answered one of them; None: it never did.
    answered_ago: float | None = None
    #: Seconds since it last woke up from being frozen; None: it never was.
    woke_ago: float | None = None


def write_heartbeat(
    info: WorkerInfo, report: ChildrenReport, *, looked_after: datetime | None = None
) -> datetime:
    """Write that the worker lives, and `report`; return when, by the database's clock.

    `looked_after` is what an earlier beat returned before the look at the children
    began, so a claim made before it and not listed is held by nobody. None says
    that nothing is known: after the start, and after a beat that went astray.
    """
    parameters: dict[str, Any] = {
        "id": info.id,
        "name": info.name,
        "host": info.host,
        "pid": info.pid,
        "queues": list(info.queues),
        "kinds": list(info.kinds),
        "slots": info.slots,
        "claims": list(report.claims),
        "running": list(report.running),
        "run_times": Jsonb(report.run_times),
        "looked_after": looked_after,
        "canary": info.canary,
        "answered_ago": report.answered_ago,
        "woke_ago": report.woke_ago,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BEAT, parameters)
        beat_at: datetime = cursor.fetchone()[0]
    return beat_at


def write_heartbeat_or_sign(
    info: WorkerInfo, report: ChildrenReport, *, looked_after: datetime | None, patience: float
) -> datetime | None:
    """Beat within `patience` seconds; where a lock of others' is in the way, give a sign: None."""
    limits = {"lock": f"{patience * 500:.0f}ms", "all": f"{patience * 1000:.0f}ms"}
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_IMPATIENT, limits)
            return write_heartbeat(info, report, looked_after=looked_after)
    except OperationalError as error:
        if sqlstate_of(error) not in _HELD:
            raise
        logger.warning("the worker's row is held by a lock, a sign says that it lives: %s", error)
    write_sign(info.id)
    return None


def write_sign(worker: UUID) -> None:
    """Write that the worker lives, where no lock on its row is in the way."""
    with connection.cursor() as cursor:
        cursor.execute(_SIGN, [worker])


def write_stop(worker: UUID) -> None:
    """Write that the worker has stopped and holds nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_STOP, [worker])
