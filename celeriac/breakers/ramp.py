"""Places behind a circuit that is not plainly closed: who of the waiting jobs goes now.

Half-open, one job goes at a time; after closing, jobs go at the ramp's rate. The
place is taken in the database, so that it is one queue for all workers.
"""

from celeriac.breakers import sql
from celeriac.breakers.selectors import CircuitAllowance, circuit_allowances
from celeriac.core.queries import fetch_row

#: Seconds from one job to the next while the circuit is half-open and nobody is its probe.
PROBE_TURN = 1.0
#: A job may go this many seconds before its place, or workers that are rung in time
#: for a place would miss it by a hair. Places stand that much further apart, so that
#: in no second more than the ramp's number (and one) go.
EARLY = 0.1


def take_ramp_slot(name: str) -> float:
    """Take the next place behind breaker `name`; return the seconds to wait for one.

    0 means: go now. It always is on a circuit that is forced closed or whose ramp is
    over, which costs one query; else it is one more, which locks the breaker's row
    until the caller commits.
    """
    facts = circuit_allowances([name])[name]
    if facts.probing_until is not None:
        return PROBE_TURN
    if facts.probe_only:
        return _take(name, PROBE_TURN, early=0.0)
    rate = admission_rate(facts)
    return 0.0 if rate is None else _take(name, 1.0 / rate, early=EARLY)


def admission_rate(facts: CircuitAllowance) -> float | None:
    """Return how many places a second there are: 0 for none, None for any number."""
    if facts.blocked or facts.probing_until is not None:
        return 0.0
    if facts.probe_only:
        return 1.0 / PROBE_TURN
    rate = facts.ramp_per_second
    return None if rate is None else rate / (1.0 + EARLY)


def _take(name: str, apart: float, *, early: float) -> float:
    if fetch_row(sql.TAKE_PLACE, [apart, name, early]):
        return 0.0
    row = fetch_row(sql.NEXT_PLACE, [name])
    # The row may have been taken by another between the two statements.
    return max(float(row[0] or 0.0) - early if row else 0.0, apart / 2)
