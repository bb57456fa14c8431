"""What a dispatcher does for flows: it closes what was named, what is late, and sweeps the rest."""

import logging
import time
from collections.abc import Callable, Iterable
from uuid import UUID

from celeriac.core.counting import counters
from celeriac.core.queries import fetch_row, fetch_rows
from celeriac.jobs.errors import EnqueueBusy
from celeriac.jobs.nodes import sql
from celeriac.jobs.nodes.closing import close_node, close_nodes
from celeriac.jobs.running import prepared

logger = logging.getLogger(__name__)

#: Seconds for which a node rests after a look in vain, and the share of the time for all looks.
REST, SHARE = 0.005, 0.2
#: Nodes that are remembered, and that one look asks for.
MOST, AT_ONCE = 100_000, 500
#: Seconds after its last member's end from which on an open node was overlooked.
LATE = 3.0
SLICE = 500
#: What the sweep had to correct.
CORRECTIONS = "flow_corrections"
_FIRST = UUID(int=0)


class NodeWatch:
    """One dispatcher's care for flows. Times are seconds of `clock`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[UUID, float] = {}
        self._rests: dict[UUID, float] = {}
        self._after = _FIRST

    def hear(self, nodes: Iterable[UUID]) -> None:
        """Note nodes, or events, that somebody named."""
        now = self._clock()
        for node in nodes:
            self._due.setdefault(node, max(now, self._rests.get(node, now)))
        if len(self._due) > MOST:
            self._due.clear()  # the sweep finds them

    @property
    def seconds_left(self) -> float:
        """Seconds until something is to be looked at; infinity where nothing is."""
        return max(0.0, min(self._due.values(), default=float("inf")) - self._clock())

    def close(self) -> int:
        """Close what was named and has ended; return how many nodes that was."""
        now = self._clock()
        if now < min(self._due.values(), default=float("inf")):
            return 0
        asked = [node for node, due in self._due.items() if due <= now][:AT_ONCE]
        for node in asked:
            del self._due[node]
        try:
            closed = close_nodes(asked)
        except EnqueueBusy:
            self.hear(asked)
            return 0
        self._rest(asked, now)
        return closed

    def _rest(self, asked: list[UUID], began: float) -> None:
        """Let what was looked at rest: longer where looks are dear."""
        ended = self._clock()
        if len(self._rests) > MOST:
            self._rests.clear()
        until = ended + max(REST, (ended - began) * (1 / SHARE - 1))
        self._rests.update(dict.fromkeys(asked, until))

    def tend(self) -> bool:
        """Close what is late, and sweep a slice; return whether the sweep has more."""
        for (node,) in prepared.fetch_rows(sql.TIMED, (), slow=True):
            self.hear([node])
        self.close()
        self._after, more = sweep_nodes(self._after)
        return more


def settle_nodes() -> None:
    """Close all that has ended, in one process, whoever should have been told: for tests."""
    while close_nodes(row[0] for row in fetch_rows(sql.OPEN)):
        pass


def sweep_nodes(after: UUID = _FIRST, *, late: float = LATE) -> tuple[UUID, bool]:
    """Close what nobody named, from one slice of the open nodes; return where the next begins.

    And whether there is one. What it corrects is counted, and said.
    """
    named = {"after": after, "most": SLICE, "late": late}
    last, seen, found = fetch_row(sql.SWEEP, named)
    for node in found:
        changes = close_node(node)
        if changes.closed:
            counters.add((CORRECTIONS,))
            logger.warning("the sweep closed the group %s, which nobody had named", node)
        close_nodes(changes.look_at)
    more = seen >= SLICE
    return (last if more else _FIRST), more
