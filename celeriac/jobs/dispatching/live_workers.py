"""The living workers: who can run what, on how many slots, and how long it takes."""

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import fetch_rows
from celeriac.jobs import registry
from celeriac.jobs.living import HEARD, living_condition
from celeriac.jobs.running import prepared
from celeriac.jobs.slots import slots_of_worker
from celeriac.settings import conf

#: Seconds without an answer after which a worker is quiet.
QUIET = 10.0
#: Who has been quiet, and has a queue where it can be asked.
QUIET_CONDITION = f"""w.canary <> ''
  AND coalesce(w.answered_at, w.started_at) < (SELECT {NOW}) - make_interval(secs => %(quiet)s)"""

LIVING = f"""
SELECT w.id, w.queues, w.kinds, w.slots, w.run_times, {QUIET_CONDITION}
FROM {tables.WORKER} w LEFT JOIN {tables.SIGN} s ON s.worker = w.id
WHERE {living_condition(HEARD)}
"""

#: One claim is one slot, however many jobs it took; where many run at once each job has one.
BUSY = f"""
SELECT worker, count(DISTINCT claim_id), count(*) FROM {tables.JOB}
WHERE state = 'running' AND worker = ANY(%(workers)s) GROUP BY worker
"""

RECENT = f"""
SELECT k.kind, avg(extract(epoch FROM r.finished_at - r.started_at))::float8
FROM unnest(%(kinds)s::text[]) AS k(kind)
CROSS JOIN LATERAL (
    SELECT started_at, finished_at FROM {tables.JOB}
    WHERE kind = k.kind AND finished_at IS NOT NULL
    ORDER BY finished_at DESC LIMIT 20
) r
WHERE r.started_at IS NOT NULL
GROUP BY k.kind
"""

PRUNE = f"""
WITH signs AS (
    DELETE FROM {tables.SIGN} WHERE given_at < {NOW} - interval '1 day'
)
DELETE FROM {tables.WORKER} w
WHERE coalesce(w.stopped_at, w.beat_at) < {NOW} - interval '1 day'
  AND NOT EXISTS (SELECT FROM {tables.JOB} j WHERE j.state = 'running' AND j.worker = w.id)
"""


@dataclass(slots=True)
class QueueWorkers:
    """The workers of one queue, taken together."""

    workers: dict[UUID, int] = field(default_factory=dict)  # slots
    kinds: set[str] = field(default_factory=set)
    #: How many jobs each of their processes runs at a time.
    width: int = 1

    @property
    def slots(self) -> int:
        """How many jobs they can run at a time."""
        return sum(self.workers.values())


#: The workers of a queue that nobody serves.
_NOBODY = QueueWorkers()


@dataclass(slots=True)
class Workers:
    """All living workers by queue, and what is known of run times by kind, in seconds.

    Queues that the same workers serve share one group and one set of neighbours, and what is
    worked out for one of them holds for all: there may be thousands.
    """

    by_queue: dict[str, QueueWorkers] = field(default_factory=dict)
    run_times: dict[str, float] = field(default_factory=dict)
    neighbours: dict[str, set[str]] = field(default_factory=dict)
    #: Those whose processes run many jobs at a time.
    shared: set[UUID] = field(default_factory=set)
    #: Whether any of them has been quiet for a while.
    quiet: bool = False
    _row_kinds: dict[tuple[int, frozenset[str]], list[str]] = field(default_factory=dict)

    def of_queue(self, queue: str) -> QueueWorkers:
        """Return the queue's workers; an empty group where none lives."""
        return self.by_queue.get(queue) or _NOBODY

    def name_of_kind(self, kind: str, queue: str) -> str | None:
        """Return the name under which the queue's workers know a row's kind, or None.

        That is its canonical name, or the one in the row where only workers of an
        older deploy live.
        """
        kinds = self.of_queue(queue).kinds
        declared = registry.get_kind(kind)
        if declared is not None and declared.name in kinds:
            return declared.name
        return kind if kind in kinds else None

    def row_kinds(self, queue: str, blocked: frozenset[str]) -> list[str]:
        """Return the kinds, as rows may name them, that may be rung into the queue."""
        queue_workers = self.of_queue(queue)
        found = self._row_kinds.get((id(queue_workers), blocked))
        if found is None:
            found = self._row_kinds[id(queue_workers), blocked] = self._find_row_kinds(
                queue, blocked
            )
        return found

    def _find_row_kinds(self, queue: str, blocked: frozenset[str]) -> list[str]:
        known = self.of_queue(queue).kinds
        names = known | {name for name in registry.kind_names() if self.name_of_kind(name, queue)}
        return sorted(name for name in names if breaker_of(name) not in blocked)

    def estimate(self, kind: str) -> float | None:
        """Return the mean run time of the kind, None where nobody knows it."""
        return self.run_times.get(kind)


def breaker_of(kind: str) -> str | None:
    """Return the circuit that guards the kind."""
    declared = registry.get_kind(kind)
    return declared.breaker if declared else None


def guarded_by(name: str) -> list[str]:
    """Return the kinds behind the circuit."""
    return [kind for kind, breaker in registry.guarded_kinds() if breaker == name]


def read_workers() -> Workers:
    """Return the workers that live now."""
    found = Workers()
    samples: dict[str, list[float]] = {}
    parameters = {"lease": conf.WORKER_LEASE_SECONDS, "quiet": QUIET}
    rows = prepared.fetch_rows(LIVING, parameters, slow=True)
    found.quiet = any(quiet for *_, quiet in rows)
    _group_by_queue(found, rows)
    for *_, run_times, _quiet in rows:
        for kind, seconds in _loaded(run_times).items():
            samples.setdefault(kind, []).append(float(seconds))
    found.run_times = {kind: sum(values) / len(values) for kind, values in samples.items()}
    return found


def busy_slots(workers: Iterable[UUID], *, shared: Set[UUID] = frozenset()) -> dict[UUID, int]:
    """Return how many slots of each worker are taken; `shared` run many jobs in a process."""
    rows = prepared.fetch_rows(BUSY, {"workers": list(workers)})
    return {worker: jobs if worker in shared else claims for worker, claims, jobs in rows}


def recent_run_times(kinds: Iterable[str]) -> dict[str, float]:
    """Return the mean of each kind's last runs, from the ledger."""
    return dict(fetch_rows(RECENT, {"kinds": list(kinds)}))


def prune_workers() -> int:
    """Delete the rows of workers that ended a day ago; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(PRUNE)
        return int(cursor.rowcount)


def _group_by_queue(found: Workers, rows: Sequence[tuple[Any, ...]]) -> None:
    """Give each queue the group of its workers, one for all queues that the same ones serve."""
    serving: dict[str, list[int]] = {}
    for place, (_, queues, *_) in enumerate(rows):
        for queue in queues:
            serving.setdefault(queue, []).append(place)
    made: dict[tuple[int, ...], tuple[QueueWorkers, set[str]]] = {}
    for queue, places in serving.items():
        key = tuple(places)
        if key not in made:
            workers = [rows[place] for place in places]
            queue_workers = QueueWorkers({row[0]: row[3] for row in workers})
            queue_workers.kinds.update(*(row[2] for row in workers))
            widths = {row[0]: slots_of_worker(row[1], row[3]).width for row in workers}
            queue_workers.width = min(widths.values(), default=1)
            found.shared |= {worker for worker, width in widths.items() if width > 1}
            made[key] = queue_workers, set().union(*(row[1] for row in workers))
        found.by_queue[queue], found.neighbours[queue] = made[key]


def _loaded(value: Any) -> dict[str, float]:
    loaded: dict[str, float] = json.loads(value) if isinstance(value, str) else value
    return loaded
