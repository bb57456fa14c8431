"""Whether a worker, a dispatcher or a beat lives: the rule, for SQL and for querysets.

It was heard of within a lease, and has not said that it stops. A worker is also heard of by a
sign in a row of another table, where somebody's lock keeps its own from being written.
"""

from typing import Final

from celeriac.core.clock import NOW

#: When a worker was last heard of, by its row `w` and its sign `s`.
HEARD: Final = "GREATEST(w.beat_at, s.given_at)"
LEASE: Final = "%(lease)s"


def fresh_condition(heard: str, lease: str = LEASE) -> str:
    """Return SQL that says whether the moment `heard` lies within `lease` seconds."""
    return f"{heard} > (SELECT {NOW}) - make_interval(secs => {lease})"


def living_condition(heard: str, lease: str = LEASE, stopped: str = "w.stopped_at") -> str:
    """Return SQL that says whether a process lives, by two columns of its row."""
    return f"{fresh_condition(heard, lease)} AND {stopped} IS NULL"
