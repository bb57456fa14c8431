"""What an outage at a provider may cost: arithmetic over what the provider and the ledger noted.

Few calls may reach a provider that is down, one probe at a time; when it is back jobs start
in order and no faster than the ramp. Moments are seconds since the epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from celeriac.breakers.options import Options
from sandbox.demo.audit import Check
from sandbox.gateway.control import LoggedRequest

#: Places that a job may start early, for each slot: while a busy machine holds one process up
#: for a second or two, the others go on. (Without any order it would be most of the backlog.)
OVERTAKEN = 3
#: A call that was under way when the circuit opened may still come in.
UNDER_WAY = 0.5


@dataclass(frozen=True, slots=True)
class Start:
    """When a job was to run, and when it started."""

    run_at: float
    at: float


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage: the provider's log, the circuit's first opening and last closing, the starts."""

    options: Options
    slots: int
    down: float
    up: float
    opened: float
    closed: float
    calls: Sequence[LoggedRequest]
    starts: Sequence[Start]

    @property
    def met(self) -> list[LoggedRequest]:
        return [call for call in self.calls if self.down <= call.at < self.up]

    @property
    def after(self) -> list[LoggedRequest]:
        """The calls after it; the first was the probe that closed the circuit."""
        return [call for call in self.calls if call.at >= self.up]

    @property
    def most_calls(self) -> int:
        """The calls that arithmetic allows."""
        return most_calls(self.options, slots=self.slots, seconds=self.up - self.down)

    @property
    def probes(self) -> list[LoggedRequest]:
        """The calls while the circuit was not closed: all but those that opened it."""
        return [*(c for c in self.met if c.at > self.opened + UNDER_WAY), self.after[0]]

    @property
    def overlapping(self) -> int:
        """How many probes came while the one before was still under way."""
        ends = ((earlier.finished, later.at) for earlier, later in pairwise(self.probes))
        return sum(1 for end, at in ends if end is None or end > at + 0.001)

    @property
    def starts_after(self) -> list[Start]:
        """The jobs that started once the circuit had closed, in their order."""
        return sorted((s for s in self.starts if s.at > self.closed), key=lambda s: s.at)

    @property
    def furthest_early(self) -> int:
        """By how many places the job furthest out of order started early."""
        rows = self.starts_after
        due = sorted(range(len(rows)), key=lambda n: rows[n].run_at)
        return max((place - n for place, n in enumerate(due)), default=0)

    @property
    def drained_in(self) -> float:
        """Seconds from the closing to the last call."""
        return max(call.at for call in self.after) - self.closed


def most_calls(options: Options, *, slots: int, seconds: float) -> int:
    """Return how many calls may meet an outage: the trip, those in flight, a probe per cooldown.

    What had succeeded before it does not count: nothing comes back, so the row of failures trips.
    """
    probes, at, cooldown = 0, options.cooldown, options.cooldown
    while at < seconds:
        probes += 1
        cooldown = min(cooldown * options.cooldown_growth, options.max_cooldown)
        at += cooldown
    return options.min_volume + slots + probes


def few_calls(met: int, most: int) -> Check:
    """Ask whether no more calls met an outage than may."""
    many = [f"{met} calls met the outage, {most} are allowed"] if met > most else []
    return Check("few calls met the outage", f"{met} of at most {most}", many)


def ramp_allows(options: Options, elapsed: float) -> float:
    """Return how many jobs the ramp lets go in the first `elapsed` seconds."""
    total, second = 0.0, 0
    while second < elapsed:
        rate = options.ramp_rate(second) or 10_000.0
        total += rate * min(1.0, elapsed - second)
        second += 1
    return total


def shares(seen: Outage) -> Iterator[tuple[str, float, int]]:
    """Yield for the starts and for the calls: the busiest second's share, and how many broke it."""
    starts = [start.at - seen.closed for start in seen.starts_after]
    calls = [call.at - seen.closed for call in seen.after[1:]]
    # Between its place in the ramp and its start, or its call, each slot may be held up once.
    yield "starts", *_busiest(seen.options, starts, seen.slots)
    yield "calls", *_busiest(seen.options, calls, seen.slots)


def _busiest(options: Options, times: Sequence[float], late: int) -> tuple[float, int]:
    """Hold every second, and the time from the beginning, against the ramp."""
    busiest, broken = 0.0, 0
    for first, at in enumerate(times):
        broken += first + 1 > ramp_allows(options, max(at, 0.0)) + 1 + late
        rate = options.ramp_rate(max(at, 0.0) + 1.0)
        if rate is not None:
            in_second = sum(1 for later in times[first:] if later < at + 1.0)
            busiest = max(busiest, in_second / rate)
            broken += in_second > rate + 1 + late
    return busiest, broken


def check(seen: Outage) -> list[Check]:
    """Return what the outage cost, against what it may."""
    twice = [f"{seen.overlapping} probes came beside another"] if seen.overlapping else []
    early = [f"a job started {seen.furthest_early} places early"]
    return [
        few_calls(len(seen.met), seen.most_calls),
        Check("one probe at a time", f"{len(seen.probes)} probes", twice),
        *(
            Check(
                f"{what} kept to the ramp",
                f"{share:.0%} of it in the busiest second",
                [f"{broken} {what} were too early"] if broken else [],
            )
            for what, share, broken in shares(seen)
        ),
        Check(
            "parked jobs left in order",
            f"{seen.furthest_early} places early at most; all within {seen.drained_in:.1f} s",
            early if seen.furthest_early > OVERTAKEN * seen.slots else [],
        ),
    ]
