"""Circuits that are not plainly closed: who is rung behind them, and how fast.

While a circuit is open, nobody. While it is half-open, one job at a time. After it
has closed, jobs in their order at the ramp's rate. Kinds behind such a circuit
leave their queue's lane for one of their own, so that they hold up nobody else.
This saves doorbells: that no more jobs go than may go, claims see to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from celeriac.breakers.api import Admission, admission
from celeriac.breakers.ramp import EARLY, paced
from celeriac.jobs.dispatching.admission import Weather
from celeriac.jobs.dispatching.fleet import Fleet, breaker_of
from celeriac.jobs.dispatching.lanes import Lane
from celeriac.jobs.dispatching.pace import Pace

#: Seconds between rounds while jobs wait for a ramp's places, and for a probe's verdict.
RAMPING, PROBING = 0.03, 0.1
#: Seconds after which a gate's queues are read from the start again.
AFRESH = 1.0


@dataclass(slots=True)
class Gate:
    """One such circuit, with a lane for each queue that has kinds behind it."""

    facts: Admission
    pace: Pace = field(default_factory=lambda: Pace(burst=EARLY))
    lanes: dict[str, Lane] = field(default_factory=dict)
    restarted_at: float = float("-inf")

    def follow(self, facts: Admission, now: float) -> bool:
        """Take in how the circuit stands at `now` (monotonic); return whether that is news."""
        moved = _mode(facts) != _mode(self.facts)
        self.facts = facts
        if moved:
            self.pace = Pace(burst=EARLY)
            for lane in self.lanes.values():
                lane.pace = self.pace
        self.pace.fill(now, paced(facts) or 0.0)
        if moved or now - self.restarted_at >= AFRESH:
            self.restarted_at = now
            for lane in self.lanes.values():
                if moved or not lane.more:  # a long walk is let come to its end
                    lane.strays.clear()
                    lane.restart()
        return moved

    def patience(self, now: float) -> float | None:
        """Return how soon to look again at `now` (the database's), None for no hurry."""
        until = self.facts.blocked_until
        if self.facts.blocked:
            return max(0.0, until.timestamp() - now) if until else None
        if any(lane.more or lane.full or lane.strays for lane in self.lanes.values()):
            return PROBING if self.facts.probe_only else RAMPING
        return None


class Gates:
    """All such circuits, by name."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}

    @property
    def names(self) -> frozenset[str]:
        """The circuits whose kinds are not in their queue's lane."""
        return frozenset(self._gates)

    def follow(self, weather: Weather, now: float) -> list[str]:
        """Learn how the circuits stand: one query, and none while all are plainly closed.

        Returns those that let jobs go again: what was rung before they opened, and not
        claimed in time, was refused and is to be rung anew, in its order.
        """
        found = admission(weather.unsettled) if weather.unsettled else {}
        standing = {name: each for name, each in found.items() if paced(each) is not None}
        cleared = [n for n, gate in self._gates.items() if gate.facts.blocked and n not in standing]
        self._gates = {name: self._gates.get(name) or Gate(standing[name]) for name in standing}
        moved = [name for name, facts in standing.items() if self._gates[name].follow(facts, now)]
        return cleared + [name for name in moved if not standing[name].blocked]

    def keep(self, lanes: dict[str, Lane], fleet: Fleet) -> None:
        """Follow the queues' own lanes."""
        for name, gate in self._gates.items():
            for queue in gate.lanes.keys() - lanes.keys():
                del gate.lanes[queue]
            for queue, lane in lanes.items():
                known = fleet.row_kinds(queue, frozenset())
                kinds = [kind for kind in known if breaker_of(kind) == name]
                if kinds:
                    side = gate.lanes.setdefault(queue, Lane(queue, lane.window, more=True))
                    side.kinds, side.levels, side.pace = kinds, lane.levels, gate.pace
                    side.window, side.paused = lane.window, lane.paused

    def start_over(self) -> None:
        """Forget what was read: the lanes begin anew."""
        for gate in self._gates.values():
            gate.lanes.clear()

    def behind(self, queue: str) -> Iterator[Lane]:
        """Yield the lanes of one queue behind circuits through which some may go."""
        for gate in self._gates.values():
            if queue in gate.lanes and not gate.facts.blocked:
                yield gate.lanes[queue]

    def patience(self, now: float, otherwise: float) -> float:
        """Return how soon to look again at `now` (the database's), `otherwise` at the latest."""
        wishes = [gate.patience(now) for gate in self._gates.values()]
        return min([otherwise, *(each for each in wishes if each is not None)])


def _mode(facts: Admission) -> tuple[object, ...]:
    return facts.blocked, facts.probe_only, facts.closed_at
