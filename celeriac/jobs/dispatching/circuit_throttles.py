"""Circuits that are not plainly closed: who is rung behind them, and how fast.

While a circuit is open, nobody. While it is half-open, one job at a time. After it
has closed, jobs in their order at the ramp's rate. Kinds behind such a circuit
leave their queue's cursor for one of their own, so that they hold up nobody else.
This saves doorbells: that no more jobs go than may go, claims see to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from celeriac.breakers.api import CircuitAllowance, circuit_allowances
from celeriac.breakers.ramp import EARLY, admission_rate
from celeriac.jobs.dispatching.admission import RoundSnapshot
from celeriac.jobs.dispatching.live_workers import Workers, breaker_of
from celeriac.jobs.dispatching.queue_cursors import QueueCursor
from celeriac.jobs.dispatching.token_bucket import TokenBucket

#: Seconds between rounds while jobs wait for a ramp's tokens, and for a probe's verdict.
RAMPING, PROBING = 0.03, 0.1
#: Seconds after which a throttle's queues are read from the start again.
AFRESH = 1.0


@dataclass(slots=True)
class CircuitThrottle:
    """One such circuit, with a cursor for each queue that has kinds behind it."""

    facts: CircuitAllowance
    bucket: TokenBucket = field(default_factory=lambda: TokenBucket(burst=EARLY))
    cursors: dict[str, QueueCursor] = field(default_factory=dict)
    restarted_at: float = float("-inf")

    def follow(self, facts: CircuitAllowance, now: float) -> bool:
        """Take in how the circuit stands at `now` (monotonic); return whether that is news."""
        moved = _mode(facts) != _mode(self.facts)
        self.facts = facts
        if moved:
            self.bucket = TokenBucket(burst=EARLY)
            for cursor in self.cursors.values():
                cursor.bucket = self.bucket
        self.bucket.fill(now, admission_rate(facts) or 0.0)
        if moved or now - self.restarted_at >= AFRESH:
            self.restarted_at = now
            for cursor in self.cursors.values():
                if moved or not cursor.more:  # a long walk is let come to its end
                    cursor.strays.clear()
                    cursor.restart()
        return moved

    def patience(self, now: float) -> float | None:
        """Return how soon to look again at `now` (the database's), None for no hurry."""
        until = self.facts.blocked_until
        if self.facts.blocked:
            return max(0.0, until.timestamp() - now) if until else None
        if any(cursor.more or cursor.full or cursor.strays for cursor in self.cursors.values()):
            return PROBING if self.facts.probe_only else RAMPING
        return None


class CircuitThrottles:
    """All such circuits, by name."""

    def __init__(self) -> None:
        self._throttles: dict[str, CircuitThrottle] = {}

    @property
    def names(self) -> frozenset[str]:
        """The circuits whose kinds are not under their queue's cursor."""
        return frozenset(self._throttles)

    def follow(self, snapshot: RoundSnapshot, now: float) -> list[str]:
        """Learn how the circuits stand: one query, and none while all are plainly closed.

        Returns those that let jobs go again: what was rung before they opened, and not
        claimed in time, was refused and is to be rung anew, in its order.
        """
        found = circuit_allowances(snapshot.unsettled) if snapshot.unsettled else {}
        standing = {name: each for name, each in found.items() if admission_rate(each) is not None}
        cleared = [
            n
            for n, throttle in self._throttles.items()
            if throttle.facts.blocked and n not in standing
        ]
        self._throttles = {
            name: self._throttles.get(name) or CircuitThrottle(standing[name]) for name in standing
        }
        moved = [
            name for name, facts in standing.items() if self._throttles[name].follow(facts, now)
        ]
        return cleared + [name for name in moved if not standing[name].blocked]

    def keep(self, cursors: dict[str, QueueCursor], workers: Workers) -> None:
        """Follow the queues' own cursors."""
        for name, throttle in self._throttles.items():
            for queue in throttle.cursors.keys() - cursors.keys():
                del throttle.cursors[queue]
            for queue, cursor in cursors.items():
                known = workers.row_kinds(queue, frozenset())
                kinds = [kind for kind in known if breaker_of(kind) == name]
                if kinds:
                    side = throttle.cursors.setdefault(
                        queue, QueueCursor(queue, cursor.window, more=True)
                    )
                    side.kinds, side.levels, side.bucket = kinds, cursor.levels, throttle.bucket
                    side.window, side.paused = cursor.window, cursor.paused

    def start_over(self) -> None:
        """Forget what was read: the queue cursors begin anew."""
        for throttle in self._throttles.values():
            throttle.cursors.clear()

    def behind(self, queue: str) -> Iterator[QueueCursor]:
        """Yield the queue cursors of one queue behind circuits through which some may go."""
        for throttle in self._throttles.values():
            if queue in throttle.cursors and not throttle.facts.blocked:
                yield throttle.cursors[queue]

    def patience(self, now: float, otherwise: float) -> float:
        """Return how soon to look again at `now` (the database's), `otherwise` at the latest."""
        wishes = [throttle.patience(now) for throttle in self._throttles.values()]
        return min([otherwise, *(each for each in wishes if each is not None)])


def _mode(facts: CircuitAllowance) -> tuple[object, ...]:
    return facts.blocked, facts.probe_only, facts.closed_at
