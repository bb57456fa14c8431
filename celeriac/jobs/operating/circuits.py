"""What circuits hold back, for people: which one, until when, how many jobs."""

from dataclasses import dataclass, replace
from datetime import datetime

from celeriac.breakers import selectors as breakers
from celeriac.breakers.api import CircuitAllowance
from celeriac.core import tables
from celeriac.core.queries import fetch_rows
from celeriac.jobs import registry
from celeriac.jobs.holds import CIRCUIT, PROBE, RAMP
from celeriac.jobs.phrases import clock_time

_COUNTS = f"""
SELECT queue, kind, count(*) FROM {tables.JOB}
WHERE state = 'queued' AND kind = ANY(%s) GROUP BY queue, kind
"""


@dataclass(slots=True)
class Hold:
    """A circuit that holds jobs back: a code for programs, a sentence for people."""

    name: str
    code: str
    sentence: str
    until: datetime | None = None
    jobs: int = 0
    #: Who forced it open and why, in words; '' where it opened by itself.
    forced: str = ""


def hold_of(name: str, facts: CircuitAllowance) -> Hold | None:
    """Return how the circuit holds jobs back; None where it lets all go."""
    if facts.blocked:
        until = facts.blocked_until
        when = f" until {clock_time(until)}" if until else ""
        return Hold(name, CIRCUIT.code, CIRCUIT.title.format(by=name) + when, until)
    if facts.probe_only:
        return Hold(name, PROBE, f"the circuit {name} is half-open: one job at a time tries it")
    if facts.ramp_per_second is not None:
        since = f" at {clock_time(facts.closed_at)}" if facts.closed_at else ""
        rate = f"{facts.ramp_per_second:.0f} jobs a second"
        return Hold(name, RAMP, f"the circuit {name} has closed{since} and lets {rate} go")
    return None


def holds_by_queue() -> dict[str, list[Hold]]:
    """Return by queue the circuits that hold its jobs back now, with how many they are."""
    guarded = registry.guarded_kinds()
    names = sorted({breaker for _, breaker in guarded})
    facts = breakers.circuit_allowances(names) if names else {}
    standing = {name: found for name in names if (found := hold_of(name, facts[name]))}
    behind = {kind: breaker for kind, breaker in guarded if breaker in standing}
    if not behind:
        return {}
    queues: dict[str, dict[str, Hold]] = {}
    for queue, kind, count in fetch_rows(_COUNTS, [list(behind)]):
        name = behind[kind]
        mine = queues.setdefault(queue, {}).setdefault(name, replace(standing[name]))
        mine.jobs += count
    return {queue: [mine[name] for name in sorted(mine)] for queue, mine in queues.items()}
