"""The sweep: finds due jobs behind the cursors that no nudge named.

Released locks, late commits, skipped rows: whatever was missed is found here,
slice by slice. Where dead row versions pile up (a transaction held open elsewhere)
a slice would be slow, so each is cut off by a timeout.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from celeriac.jobs.dispatching import admission
from celeriac.jobs.dispatching.admission import START
from celeriac.jobs.dispatching.pending_doorbells import PendingDoorbells
from celeriac.jobs.dispatching.queue_cursors import QueueCursor

logger = logging.getLogger(__name__)

#: Rows that one slice walks.
SLICE = 10_000
_FIRST_TIMEOUT, _LONGEST_TIMEOUT = 0.25, 2.0


@dataclass(slots=True)
class Sweep:
    """Sweeps the queues' priorities in turn, one slice a call."""

    doorbells: PendingDoorbells
    _timeout: float = _FIRST_TIMEOUT
    _turn: int = 0

    def slice(self, cursors: Iterable[QueueCursor]) -> bool:
        """Sweep one slice; return whether this turn through the priorities has more."""
        places = [
            (queue_cursor, priority)
            for queue_cursor in cursors
            if not queue_cursor.paused
            for priority in sorted(queue_cursor.positions, reverse=True)
        ]
        if not places:
            return False
        queue_cursor, priority = places[self._turn % len(places)]
        if not self._sweep(queue_cursor, priority):
            self._turn += 1
            return self._turn % len(places) != 0
        return True

    def _sweep(self, queue_cursor: QueueCursor, priority: int) -> bool:
        """Look at a slice of one priority; return whether its sweep has more."""
        try:
            with _bounded(self._timeout):
                walk = admission.scan_queue(
                    queue=queue_cursor.name,
                    priority=priority,
                    kinds=queue_cursor.kinds,
                    after=queue_cursor.swept.get(priority, START),
                    until=queue_cursor.position(priority),
                    limit=SLICE,
                )
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
            logger.info("the sweep of queue %s took over %.2f s", queue_cursor.name, self._timeout)
            self._timeout = min(self._timeout * 2, _LONGEST_TIMEOUT)
            return False
        self._timeout = max(_FIRST_TIMEOUT, self._timeout / 2)
        for row in walk.found:
            if not self.doorbells.knows(row.id, row.version):
                queue_cursor.strays.setdefault(row.id, 0)
        if walk.more:
            queue_cursor.swept[priority] = walk.position
        else:
            queue_cursor.swept.pop(priority, None)
        return walk.more


@contextlib.contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true)", [f"{seconds * 1000:.0f}ms"]
            )
        yield
