"""One look at one queue: which due jobs get a doorbell now, and which share one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from celeriac.jobs import registry
from celeriac.jobs.dispatching import admission, window
from celeriac.jobs.dispatching.admission import Candidate
from celeriac.jobs.dispatching.bells import Bell, Bells, Rung
from celeriac.jobs.dispatching.fleet import Fleet
from celeriac.jobs.dispatching.lanes import Lane, just_before
from celeriac.jobs.dispatching.window import Room

#: Jobs that one look may take, so that every queue has its turn.
MOST = 1_000
#: Rows that one statement may walk where most of them can't be rung.
LONGEST_WALK = 8_000
_STATEMENTS = 8


@dataclass(slots=True)
class Look:
    """Fills the room of one lane: strays first, then the priorities from the highest."""

    lane: Lane
    fleet: Fleet
    bells: Bells
    room: Room
    #: Kinds whose run time nobody knows, met on the way.
    untimed: set[str] = field(default_factory=set)
    _rings: dict[UUID, int] = field(default_factory=dict)
    _locks: set[str] = field(default_factory=set)
    _chosen: set[UUID] = field(default_factory=set)
    _names: dict[str, str] = field(default_factory=dict)
    _taken: int = 0

    def take(self) -> list[Rung]:
        """Return the doorbells to ring; the lane's cursors move on."""
        self.lane.more = self.lane.full = False
        rungs = self._take_strays()
        for priority in sorted(self.lane.levels, reverse=True):
            if self.lane.more or self.lane.full:
                break
            rungs += self._take_level(priority)
        return rungs

    def _take_strays(self) -> list[Rung]:
        ids = list(self.lane.strays)[:MOST]
        if not ids:
            return []
        rows = admission.by_id(ids=ids, queue=self.lane.name, kinds=self.lane.kinds)
        self._rings = {job_id: self.lane.strays.pop(job_id) for job_id in ids}
        chosen, rest = self._choose(rows)
        self.lane.strays.update({row.id: self._rings[row.id] for row in rest})
        self.lane.full = bool(rest)
        self.lane.more = bool(self.lane.strays) and not rest
        return self._bells(chosen, more=bool(rest or self.lane.strays))

    def _take_level(self, priority: int) -> list[Rung]:
        rungs: list[Rung] = []
        limit = self.room.ids(self.lane.typical, most=MOST)
        for _ in range(_STATEMENTS):
            walk = admission.scan(
                queue=self.lane.name,
                priority=priority,
                kinds=self.lane.kinds,
                after=self.lane.cursor(priority),
                limit=limit,
            )
            chosen, rest = self._choose(walk.found)
            rungs += self._bells(chosen, more=walk.more or bool(rest))
            self.lane.full = bool(rest)
            self.lane.cursors[priority] = just_before(rest[0].cursor) if rest else walk.cursor
            if rest or not walk.more:
                return rungs
            if self._taken >= MOST:
                break
            limit = self._next_limit(limit, len(walk.found))
        self.lane.more = True
        return rungs

    def _next_limit(self, limit: int, found: int) -> int:
        if found < limit / 4:
            return min(LONGEST_WALK, limit * 4)
        return self.room.ids(self.lane.typical, most=MOST)

    def _choose(self, rows: Sequence[Candidate]) -> tuple[list[Candidate], Sequence[Candidate]]:
        """Return what fits, and the rest from the first that does not."""
        chosen: list[Candidate] = []
        for place, row in enumerate(rows):
            if self._is_rung(row) or self._is_locked(row):
                continue
            name = self._name(row.kind)
            estimate = self._estimate(name, row)
            if estimate is None:
                self.untimed.add(name)
            if not self.room.take(estimate):
                return chosen, rows[place:]
            if row.lock_key:
                self._locks.add(row.lock_key)
            self._chosen.add(row.id)
            chosen.append(row)
        return chosen, ()

    def _estimate(self, name: str, row: Candidate) -> float | None:
        """Return how long the job should take, with its doorbell where it has one of its own."""
        estimate = self.fleet.estimate(name)
        if estimate is None or not self._goes_alone(name, row):
            return estimate
        return estimate + window.ALONE

    def _goes_alone(self, name: str, row: Candidate) -> bool:
        kind = registry.get(name)
        return row.losses > 0 or bool(row.lock_key) or kind is None or kind.rings_alone

    def _is_rung(self, row: Candidate) -> bool:
        return row.id in self._chosen or self.bells.knows(row.id, row.version)

    def _is_locked(self, row: Candidate) -> bool:
        lock = row.lock_key
        return lock is not None and (lock in self._locks or self.bells.holds(lock))

    def _name(self, kind: str) -> str:
        name = self._names.get(kind)
        if name is None:
            name = self._names[kind] = self.fleet.called(kind, self.lane.name) or kind
        return name

    def _bells(self, rows: Sequence[Candidate], *, more: bool) -> list[Rung]:
        """Put jobs of one kind together, as many as make one doorbell's work.

        Few jobs are spread over the slots; where there are `more`, none goes short.
        """
        if not rows:
            return []
        self._taken += len(rows)
        backlog = Counter({self._name(row.kind): 0 for row in rows})
        backlog.update(dict.fromkeys(backlog, MOST * self.room.slots) if more else ())
        backlog.update(self._name(row.kind) for row in rows)
        sizes = {name: self._size(name, count) for name, count in backlog.items()}
        rungs: list[Rung] = []
        open_: dict[str, list[Candidate]] = {}
        for row in rows:
            name = self._name(row.kind)
            if sizes[name] == 1 or self._goes_alone(name, row):
                rungs.append(self._rung(name, [row]))
                continue
            gathered = open_.setdefault(name, [])
            gathered.append(row)
            if len(gathered) >= sizes[name]:
                rungs.append(self._rung(name, open_.pop(name)))
        rungs += [self._rung(name, gathered) for name, gathered in open_.items()]
        self._remember_typical(rungs)
        return rungs

    def _size(self, name: str, backlog: int) -> int:
        kind = registry.get(name)
        if kind is None or kind.rings_alone:
            return 1
        size = window.doorbell_size(self.fleet.estimate(name), backlog, self.room.slots)
        return min(size, kind.batch or size)

    def _rung(self, name: str, rows: Sequence[Candidate]) -> Rung:
        return Rung(
            bell=Bell(name, self.lane.name, tuple(row.id for row in rows)),
            versions=tuple(row.version for row in rows),
            locks=tuple(row.lock_key for row in rows if row.lock_key),
            seconds=self.room.cost(self._estimate(name, rows[0])) * len(rows),
            rings=1 + max(self._rings.get(row.id, 0) for row in rows),
        )

    def _remember_typical(self, rungs: Iterable[Rung]) -> None:
        rungs = list(rungs)
        ids = sum(len(rung.bell.ids) for rung in rungs)
        timed = all(self.fleet.estimate(rung.bell.kind) is not None for rung in rungs)
        self.lane.typical = sum(rung.seconds for rung in rungs) / ids if timed and ids else None
