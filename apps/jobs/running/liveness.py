"""A worker's word that it lives, and which claims its children hold.

The dispatcher believes the row: a worker that has not beaten for its lease is
lost, and so is a claim that a living worker no longer lists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from apps.core.clock import NOW

_BEAT = f"""
INSERT INTO jobs_worker (id, name, host, pid, queues, kinds, slots, claims, run_times,
                         started_at, beat_at, previous_beat_at, answered_at, canary)
VALUES (%(id)s, %(name)s, %(host)s, %(pid)s, %(queues)s, %(kinds)s, %(slots)s, %(claims)s,
        %(run_times)s, {NOW}, {NOW}, %(looked_after)s,
        {NOW} - make_interval(secs => %(answered_ago)s), %(canary)s)
ON CONFLICT (id) DO UPDATE
SET previous_beat_at = excluded.previous_beat_at,
    beat_at = GREATEST(jobs_worker.beat_at, excluded.beat_at), claims = excluded.claims,
    run_times = excluded.run_times, queues = excluded.queues,
    kinds = excluded.kinds, slots = excluded.slots, stopped_at = NULL,
    answered_at = GREATEST(jobs_worker.answered_at, excluded.answered_at)
RETURNING beat_at
"""

_STOP = f"UPDATE jobs_worker SET stopped_at = {NOW}, claims = '{{}}' WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Card:
    """Who a worker is: one boot of it."""

    id: UUID
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    kinds: tuple[str, ...]
    slots: int
    #: Where a canary reaches this worker alone.
    canary: str = ""


def beat(
    card: Card,
    *,
    claims: Sequence[UUID] = (),
    run_times: dict[str, float],
    looked_after: datetime | None = None,
    answered_ago: float | None = None,
) -> datetime:
    """Write that the worker lives and holds `claims`; return when, by the database's clock.

    `looked_after` is what an earlier beat returned before the look at the children
    began, so a claim made before it and not listed is held by nobody. None says
    that nothing is known: after the start, and after a beat that went astray.
    The database last answered a child of it `answered_ago` seconds ago, or never (None).
    """
    parameters: dict[str, Any] = {
        "id": card.id,
        "name": card.name,
        "host": card.host,
        "pid": card.pid,
        "queues": list(card.queues),
        "kinds": list(card.kinds),
        "slots": card.slots,
        "claims": list(claims),
        "run_times": Jsonb(run_times),
        "looked_after": looked_after,
        "canary": card.canary,
        "answered_ago": answered_ago,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BEAT, parameters)
        beat_at: datetime = cursor.fetchone()[0]
    return beat_at


def stop(worker: UUID) -> None:
    """Write that the worker has stopped and holds nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_STOP, [worker])
