"""One selection from one queue: which due jobs get a doorbell now, and which share one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from celeriac.jobs import registry
from celeriac.jobs.dispatching import admission, window
from celeriac.jobs.dispatching.admission import Candidate
from celeriac.jobs.dispatching.live_workers import Workers
from celeriac.jobs.dispatching.pending_doorbells import Doorbell, PendingDoorbell, PendingDoorbells
from celeriac.jobs.dispatching.queue_cursors import QueueCursor, position_before
from celeriac.jobs.dispatching.window import Budget

#: Jobs that one selection may take, so that every queue has its turn.
MOST = 2_000
#: Rows that one statement may walk where most of them can't be rung.
LONGEST_WALK = 8_000
_STATEMENTS = 8


class _KindFacts(NamedTuple):
    """What a selection needs to know of a kind, found once and not for each of its jobs."""

    name: str  # by which the queue's workers know it
    estimate: float | None
    rings_alone: bool


@dataclass(slots=True)
class Selection:
    """Fills the budget of one queue: strays first, then the priorities from the highest."""

    cursor: QueueCursor
    workers: Workers
    doorbells: PendingDoorbells
    budget: Budget
    #: Kinds whose run time nobody knows, met on the way.
    untimed: set[str] = field(default_factory=set)
    _rings: dict[UUID, int] = field(default_factory=dict)
    _locks: set[str] = field(default_factory=set)
    #: Strays that were chosen: a scan may come upon them.
    _chosen: set[UUID] = field(default_factory=set)
    _facts: dict[str, _KindFacts] = field(default_factory=dict)
    _taken: int = 0

    def take(self) -> list[PendingDoorbell]:
        """Return the doorbells to ring; the queue's cursors move on."""
        self.cursor.more = self.cursor.full = False
        doorbells = self._take_strays()
        for priority in sorted(self.cursor.levels, reverse=True):
            if self.cursor.more or self.cursor.full:
                break
            doorbells += self._take_level(priority)
        return doorbells

    def _take_strays(self) -> list[PendingDoorbell]:
        ids = list(self.cursor.strays)[:MOST]
        if not ids:
            return []
        rows = admission.candidates_by_id(ids=ids, queue=self.cursor.name, kinds=self.cursor.kinds)
        self._rings = {job_id: self.cursor.strays.pop(job_id) for job_id in ids}
        chosen, rest = self._choose(rows)
        self._chosen.update([row.id for row in chosen])
        self.cursor.strays.update({row.id: self._rings[row.id] for row in rest})
        self.cursor.full = bool(rest)
        self.cursor.more = bool(self.cursor.strays) and not rest
        return self._bells(chosen, more=bool(rest or self.cursor.strays))

    def _take_level(self, priority: int) -> list[PendingDoorbell]:
        doorbells: list[PendingDoorbell] = []
        limit = self.budget.ids(self.cursor.typical, most=MOST)
        for _ in range(_STATEMENTS):
            walk = admission.scan_queue(
                queue=self.cursor.name,
                priority=priority,
                kinds=self.cursor.kinds,
                after=self.cursor.position(priority),
                limit=limit,
            )
            chosen, rest = self._choose(walk.found)
            doorbells += self._bells(chosen, more=walk.more or bool(rest))
            self.cursor.full = bool(rest)
            self.cursor.positions[priority] = (
                position_before(rest[0].position) if rest else walk.position
            )
            if rest or not walk.more:
                return doorbells
            if self._taken >= MOST:
                break
            limit = self._next_limit(limit, len(walk.found))
        self.cursor.more = True
        return doorbells

    def _next_limit(self, limit: int, found: int) -> int:
        if found < limit / 4:
            return min(LONGEST_WALK, limit * 4)
        return self.budget.ids(self.cursor.typical, most=MOST)

    def _choose(self, rows: Sequence[Candidate]) -> tuple[list[Candidate], Sequence[Candidate]]:
        """Return what fits, and the rest from the first that does not."""
        chosen: list[Candidate] = []
        for place, row in enumerate(rows):
            if self._is_rung(row) or (row.lock_key is not None and self._is_locked(row.lock_key)):
                continue
            facts = self._facts_of(row.kind)
            if not self.budget.take(self._estimate(facts, row)):
                return chosen, rows[place:]
            if row.lock_key:
                self._locks.add(row.lock_key)
            chosen.append(row)
        return chosen, ()

    def _estimate(self, facts: _KindFacts, row: Candidate) -> float | None:
        """Return how long the job should take, with its doorbell where it has one of its own."""
        if facts.estimate is None or not self._goes_alone(facts, row):
            return facts.estimate
        return facts.estimate + window.ALONE

    def _goes_alone(self, facts: _KindFacts, row: Candidate) -> bool:
        return facts.rings_alone or row.losses > 0 or bool(row.lock_key)

    def _is_rung(self, row: Candidate) -> bool:
        return self.doorbells.knows(row.id, row.version) or row.id in self._chosen

    def _is_locked(self, lock: str) -> bool:
        return lock in self._locks or self.doorbells.holds(lock)

    def _facts_of(self, row_kind: str) -> _KindFacts:
        found = self._facts.get(row_kind)
        if found is None:
            name = self.workers.name_of_kind(row_kind, self.cursor.name) or row_kind
            kind = registry.get_kind(name)
            estimate = self.workers.estimate(name)
            if estimate is None:
                self.untimed.add(name)
            found = _KindFacts(name, estimate, kind is None or kind.rings_alone)
            self._facts[row_kind] = found
        return found

    def _bells(self, rows: Sequence[Candidate], *, more: bool) -> list[PendingDoorbell]:
        """Put jobs of one kind together, as many as make one doorbell's work.

        Few jobs are spread over the slots; where there are `more`, none goes short.
        """
        self._taken += len(rows)
        doorbells: list[PendingDoorbell] = []
        sizes = self._sizes(rows, more=more)
        open_: dict[str, list[Candidate]] = {}
        for row in rows:
            facts = self._facts_of(row.kind)
            name = facts.name
            if sizes[name] == 1 or self._goes_alone(facts, row):
                doorbells.append(self._pending(facts, [row]))
                continue
            gathered = open_.setdefault(name, [])
            gathered.append(row)
            if len(gathered) >= sizes[name]:
                doorbells.append(self._pending(facts, open_.pop(name)))
        doorbells += [self._pending(self._facts_of(left[0].kind), left) for left in open_.values()]
        if doorbells:
            self._remember_typical(doorbells)
        return doorbells

    def _sizes(self, rows: Sequence[Candidate], *, more: bool) -> dict[str, int]:
        """Return how many ids a doorbell carries, by the kind's name."""
        backlog: dict[str, int] = {}
        for kind, count in Counter([row.kind for row in rows]).items():
            name = self._facts_of(kind).name
            backlog[name] = backlog.get(name, MOST * self.budget.slots if more else 0) + count
        return {name: self._size(name, count) for name, count in backlog.items()}

    def _size(self, name: str, backlog: int) -> int:
        kind = registry.get_kind(name)
        if kind is None or kind.rings_alone:
            return 1
        budget = self.budget
        size = window.doorbell_size(
            self.workers.estimate(name), backlog, budget.slots, budget.width
        )
        return min(size, kind.widest or size)

    def _pending(self, facts: _KindFacts, rows: Sequence[Candidate]) -> PendingDoorbell:
        rings = self._rings
        return PendingDoorbell(
            doorbell=Doorbell(facts.name, self.cursor.name, tuple([row.id for row in rows])),
            versions=tuple([row.version for row in rows]),
            locks=tuple([row.lock_key for row in rows if row.lock_key]),
            seconds=self.budget.cost(self._estimate(facts, rows[0])) * len(rows),
            rings=1 + max([rings.get(row.id, 0) for row in rows]) if rings else 1,
        )

    def _remember_typical(self, doorbells: Iterable[PendingDoorbell]) -> None:
        doorbells = list(doorbells)
        ids = sum(len(pending.doorbell.ids) for pending in doorbells)
        timed = all(
            self.workers.estimate(pending.doorbell.kind) is not None for pending in doorbells
        )
        self.cursor.typical = (
            sum(pending.seconds for pending in doorbells) / ids if timed and ids else None
        )
