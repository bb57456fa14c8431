"""Claiming: a doorbell's ids become jobs that one run owns.

One statement takes, by primary key and in id order, those rows of the doorbell
that may start now, and skips locked ones: a stale or doubled doorbell claims
nothing and costs one query. A fresh `claim_id` fences all that follows. The
claim may commit asynchronously: should a failover forget it, the fence refuses
what its owner writes later. But a run that may not happen again after every loss
would: its claim is durable before it begins.
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from celeriac.breakers.sql import UNSETTLED
from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.sqlstates import violates
from celeriac.jobs.holds import HOLDS, HoldReason, free_condition
from celeriac.jobs.models.job import LOCK_KEY_RUNNING
from celeriac.jobs.running import prepared


@dataclass(slots=True)  # not frozen, which would cost more than to read the row does
class ClaimedJob:
    """What a run needs to know of its job."""

    id: UUID
    kind: str
    args: str  # JSON, as Django's connections hand it over
    attempt: int
    failures: int
    losses: int
    max_attempts: int
    lock_key: str | None
    correlation_id: str
    tenant: str
    #: Whether nobody asked to be told how it ends.
    silent: bool
    #: Seconds between its run_at and its claim.
    waited: float
    trace: str | None
    #: The caller's own id that is no UUID, and what the message would have borne, as JSON.
    task_id: str | None = None
    headers: str | None = None
    queue: str = ""
    #: Whether its circuit is half-open or has just closed, so that it must take its place.
    gated: bool = False
    #: The group of a flow that it is a member of.
    node: UUID | None = None


def claim_statement(holds: Sequence[HoldReason]) -> str:
    """Return the statement that takes the rows which none of `holds` holds."""
    return f"""
WITH may_start AS (
    SELECT j.id, j.kind
    FROM {tables.JOB} j
    WHERE j.id = ANY(%(ids)s::uuid[])
      AND j.state = {prepared.QUEUED}
      AND (j.losses = 0 OR %(alone)s)
      AND {free_condition([hold for hold in holds if hold.claimed])}
    ORDER BY j.id
    FOR UPDATE SKIP LOCKED
)
UPDATE {tables.JOB} j
SET state = 'running', attempt = j.attempt + 1, claim_id = %(claim_id)s, worker = %(worker)s,
    started_at = (SELECT {NOW}), wait_reason = ''
FROM may_start
WHERE j.id = may_start.id
  AND (
        SELECT CASE
            WHEN NOT EXISTS (SELECT FROM may_start WHERE kind = ANY (%(lasting)s::text[]))
                THEN set_config('synchronous_commit', 'off', true)
            WHEN current_setting('synchronous_commit') IN ('off', 'local')
                THEN set_config('synchronous_commit', 'on', true)
            ELSE '' END) IS NOT NULL
RETURNING j.id, j.kind, j.args::text, j.attempt, j.failures, j.losses, j.max_attempts, j.lock_key,
          j.correlation_id, j.tenant, j.callback_url = '',
          extract(epoch FROM (SELECT {NOW}) - j.run_at)::float8, j.trace,
          j.task_id, j.headers::text, j.queue,
          j.kind = ANY (ARRAY(
              SELECT g.kind
              FROM unnest(%(guarded)s::text[], %(breakers)s::text[]) AS g(kind, breaker)
              JOIN {tables.BREAKER} b ON b.name = g.breaker
              WHERE {UNSETTLED})),
          j.node
"""


_CLAIM = claim_statement(HOLDS)
_CLAIM_ONE = prepared.for_one(_CLAIM, "ids")

#: Gated, all of them: whether one is gated is asked again where it takes its place.
_HELD = f"""
SELECT id, kind, args, attempt, failures, losses, max_attempts, lock_key, correlation_id, tenant,
       callback_url = '', extract(epoch FROM started_at - run_at)::float8, trace,
       task_id, headers::text, queue, true, node
FROM {tables.JOB}
WHERE id = ANY(%s) AND state = 'running' AND claim_id = %s
ORDER BY id
"""

_LONELY = f"""
SELECT id FROM {tables.JOB} WHERE id = ANY(%s) AND state = {prepared.QUEUED} AND losses > 0
"""

_VERIFY = f"""
SELECT id FROM {tables.JOB} WHERE id = ANY(%s) AND state = 'running' AND claim_id = %s
"""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The kinds a process can run, and the breaker of each guarded one."""

    kinds: tuple[str, ...]
    guarded: tuple[str, ...] = ()
    breakers: tuple[str, ...] = ()
    #: Kinds whose claims a failover must not forget.
    lasting: tuple[str, ...] = ()
    #: The longest ramp of any of their circuits, in seconds.
    ramp: float = 0.0


def claim_jobs(
    ids: Sequence[UUID],
    *,
    claim_id: UUID,
    worker: UUID,
    known: Capabilities,
    has_neighbours: bool = False,
) -> list[ClaimedJob]:
    """Take those of `ids` that may start now; return them in id order.

    A job whose lock another run holds stays queued: the database refuses it. So does one with
    losses, but where it is the only one and `has_neighbours` says that nothing else runs here.
    """
    alone = len(ids) == 1 and not has_neighbours
    try:
        return _claim_jobs(ids, claim_id, worker, known, alone=alone)
    except IntegrityError as error:
        if not violates(error, LOCK_KEY_RUNNING):
            raise
    return _claim_singly(ids, claim_id, worker, known)


def claimed_jobs(ids: Iterable[UUID], *, claim_id: UUID) -> list[ClaimedJob]:
    """Return the jobs of a claim whose answer got lost: it may have been committed all the same."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [list(ids), claim_id])
        return [ClaimedJob(*row) for row in cursor.fetchall()]


def lonely_jobs(ids: Iterable[UUID]) -> list[UUID]:
    """Return those of `ids` that wait and have losses: they run in a process without others."""
    with connection.cursor() as cursor:
        cursor.execute(_LONELY, [list(ids)])
        return [row[0] for row in cursor.fetchall()]


def owned_jobs(ids: Iterable[UUID], *, claim_id: UUID) -> set[UUID]:
    """Return those of `ids` that the claim still owns."""
    with connection.cursor() as cursor:
        cursor.execute(_VERIFY, [list(ids), claim_id])
        return {row[0] for row in cursor.fetchall()}


def _claim_singly(
    ids: Sequence[UUID], claim_id: UUID, worker: UUID, known: Capabilities
) -> list[ClaimedJob]:
    if len(ids) == 1:
        return []
    claimed = []
    for job_id in sorted(ids):
        with contextlib.suppress(IntegrityError):
            claimed += _claim_jobs([job_id], claim_id, worker, known, alone=False)
    return claimed


def _claim_jobs(
    ids: Sequence[UUID], claim_id: UUID, worker: UUID, known: Capabilities, *, alone: bool
) -> list[ClaimedJob]:
    one = len(ids) == 1
    parameters: dict[str, Any] = {
        "ids": ids[0] if one else prepared.UUIDArray(ids),
        "alone": alone,
        "claim_id": claim_id,
        "worker": worker,
        "kinds": list(known.kinds),
        "guarded": list(known.guarded),
        "breakers": list(known.breakers),
        "ramp": known.ramp,
        "lasting": list(known.lasting),
    }
    with _savepoint_if_needed():
        jobs = [
            ClaimedJob(*row)
            for row in prepared.fetch_rows(_CLAIM_ONE if one else _CLAIM, parameters)
        ]
    return sorted(jobs, key=lambda job: job.id.int)


def _savepoint_if_needed() -> contextlib.AbstractContextManager[None]:
    if connection.in_atomic_block:
        return transaction.atomic()
    return contextlib.nullcontext()
