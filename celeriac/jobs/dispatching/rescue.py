"""Rescue: claims whose run is gone are settled as losses.

A run is gone when its worker is (stopped, or silent for longer than its lease),
when a living worker no longer lists its claim, or when its hard limit has long
passed. Only a dispatcher that has itself had the database for longer than the
lease may say so: see `DatabaseContact`. The settle is fenced by the claim like any other,
so two rescuers, or a rescuer and an owner that comes back, do no harm.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import fetch_rows
from celeriac.jobs import metrics, registry
from celeriac.jobs.living import HEARD, fresh_condition
from celeriac.jobs.log_names import job_names
from celeriac.jobs.losses import Loss
from celeriac.jobs.outcomes import loss
from celeriac.jobs.running.claim import ClaimedJob
from celeriac.jobs.running.finish import settle_what_is_free
from celeriac.jobs.running.lost_kinds import kind_of_lost
from celeriac.jobs.running.run import Run
from celeriac.settings import conf

logger = logging.getLogger(__name__)

MOST = 1_000
#: Seconds beyond hard limit and doorbell budget: the worker's own parent comes first.
GRACE = 15.0

#: Everything is found from the running rows, of which there are few. A claim is judged
#: as a whole: nobody knows which of its jobs was running.
_LIMIT = """
    CASE WHEN jsonb_typeof(j.headers #> '{timelimit,0}') = 'number'
         THEN (j.headers #>> '{timelimit,0}')::float8 + %(late)s ELSE k.seconds END"""
LOST = f"""
SELECT j.claim_id, j.id, j.kind, '', j.attempt, j.failures, j.losses, j.max_attempts,
       j.lock_key, j.correlation_id, j.tenant, false, 0.0, NULL,
       NULL, j.headers::text, j.queue, false, j.node,
       coalesce(w.name, ''),
       CASE
           WHEN w.id IS NULL THEN 'unknown'
           WHEN w.stopped_at IS NOT NULL THEN 'stopped'
           WHEN NOT {fresh_condition(HEARD)} THEN 'silent'
           WHEN j.started_at < w.previous_beat_at AND j.claim_id <> ALL (w.claims) THEN 'given up'
           ELSE 'overran'
       END
FROM {tables.JOB} j
LEFT JOIN {tables.WORKER} w ON w.id = j.worker
LEFT JOIN {tables.SIGN} s ON s.worker = j.worker
LEFT JOIN unnest(%(kinds)s::text[], %(limits)s::float8[]) AS k(kind, seconds) ON k.kind = j.kind
WHERE j.state = 'running'
  AND (
    (w.id IS NULL AND NOT {fresh_condition("GREATEST(j.started_at, s.given_at)")})
    OR w.stopped_at IS NOT NULL
    OR NOT {fresh_condition(HEARD)}
    OR (j.started_at < w.previous_beat_at AND j.claim_id <> ALL (w.claims))
    OR GREATEST(j.started_at, w.woke_at) <= (SELECT {NOW}) - make_interval(secs => {_LIMIT})
  )
ORDER BY j.id
LIMIT %(most)s
"""

#: What each finding says, and what took the run along: where the worker lives, its child alone.
_FINDINGS = {
    "unknown": ("its worker is unknown", Loss.WORKER),
    "stopped": ("its worker {} has stopped", Loss.WORKER),
    "silent": ("its worker {} is silent", Loss.WORKER),
    "given up": ("its worker {} no longer holds its claim", Loss.CHILD),
    "overran": ("it ran past its hard limit on worker {}", Loss.OVERRUN),
}


@dataclass(slots=True)
class DatabaseContact:
    """How long this process has had the database without a break (monotonic seconds).

    A silence of its own counts as a break: a process that was stopped knows nothing
    of what the workers wrote meanwhile.
    """

    longest_gap: float = 5.0
    _since: float | None = None
    _last: float = 0.0

    def touch(self, now: float) -> None:
        """Note that the database answered."""
        if self._since is None or now - self._last > self.longest_gap:
            self._since = now
        self._last = now

    def lose(self) -> None:
        """Note that it did not."""
        self._since = None

    def is_there(self, now: float) -> bool:
        """Return whether it has answered lately."""
        return self._since is not None and now - self._last <= self.longest_gap

    def lasts(self, now: float) -> float:
        """Return for how long it has been there."""
        return 0.0 if self._since is None else now - self._since


def rescue_lost_runs(*, most: int = MOST) -> list[Run]:
    """Settle up to `most` lost runs as losses; return those that were."""
    found = find_lost_runs(most=most)
    if not found:
        return []
    held = settle_what_is_free(found)
    metrics.count_ended(found)
    if held:
        ids = [run.job.id for run in held]
        logger.warning("rescue: somebody else has locked %s, trying again later", job_names(ids))
    for reason, ids in _grouped((run.settlement.message, run.job.id) for run in found).items():
        logger.warning("rescue: lost %s: %s", job_names(ids), reason)
    done = [(run, run.settled.state) for run in found if run.settled and run.settled.state]
    for state, ids in _grouped((state, run.job.id) for run, state in done).items():
        logger.info("rescue: now %s: %s", state, job_names(ids))
    return [run for run, _ in done]


def _grouped[T](pairs: Iterable[tuple[T, UUID]]) -> dict[T, list[UUID]]:
    groups: dict[T, list[UUID]] = {}
    for key, job_id in pairs:
        groups.setdefault(key, []).append(job_id)
    return groups


def find_lost_runs(*, most: int = MOST) -> list[Run]:
    """Return the runs that are gone, decided as losses."""
    late = conf.DOORBELL_BUDGET_SECONDS + GRACE
    limits = {
        name: kind.hard_timeout + late
        for kind in registry.declared_kinds()
        if kind.hard_timeout is not None
        for name in (kind.name, *kind.aliases)
    }
    parameters: dict[str, Any] = {
        "lease": conf.WORKER_LEASE_SECONDS,
        "kinds": list(limits),
        "limits": list(limits.values()),
        "late": late,
        "most": most,
    }
    return [_lost_run(row) for row in fetch_rows(LOST, parameters)]


def _lost_run(row: tuple[Any, ...]) -> Run:
    claim_id, *facts, worker, finding = row
    job = ClaimedJob(*facts)
    run = Run(job, kind_of_lost(job.kind), claim_id)
    text, what = _FINDINGS[finding]
    run.decide(loss(text.format(worker), what))
    return run
