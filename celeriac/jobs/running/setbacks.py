"""Setbacks: what a process does when it can't answer its doorbells.

Whatever leaves the answering of a doorbell outside of a handler (a session that can't
write, a table hidden by another, a missing grant or setting) may be this process's own
fault. So it makes a new connection, waits a little longer each time, and after some in
a row it ends itself: a fresh process may do better. What it held is in its journal.
"""

import time
from collections.abc import Callable

from django.db import connection

from celeriac.core.database_errors import is_away
from celeriac.core.sessions import renew_connection
from celeriac.jobs.errors import JobError

#: Seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
#: Setbacks in a row after which the process ends itself.
MOST = 5
#: Seconds that a database may be away before it does: others may well reach it.
AWAY_FOR = 60.0


class UnfitProcess(JobError):
    """This process could not answer several doorbells in a row: it ends, for another to do it."""


class Setbacks:
    """The setbacks of this process since it last answered a doorbell."""

    def __init__(
        self, *, pause: Callable[[float], object] = time.sleep, away_for: float = AWAY_FOR
    ) -> None:
        self._pause = pause
        self._away_for = away_for
        self.in_a_row = 0
        self._ours = 0  # of them, those that no outage of the database explains
        self._since = 0.0

    def clear(self) -> None:
        """Note that a doorbell was answered."""
        self.in_a_row = self._ours = 0

    def endure(self, error: Exception) -> None:
        """Take a new connection, and a pause; UnfitProcess when it was one setback too many."""
        if connection.in_atomic_block:
            raise error  # the caller's transaction is lost, and so is what it did
        renew_connection()
        now = time.monotonic()
        if not self.in_a_row:
            self._since = now
        self.in_a_row += 1
        self._ours += not is_away(error)
        if self._ours >= MOST or now - self._since > self._away_for:
            count, last = self.in_a_row, one_line(error)
            raise UnfitProcess(
                f"no doorbell was answered in {count} tries, at last: {last}"
            ) from error
        self._pause(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self.in_a_row - 1)))


def one_line(error: BaseException) -> str:
    """Return the error's class and first line: what follows may be a row's values."""
    try:
        lines = str(error).splitlines()
    except Exception:
        lines = []
    return ": ".join([type(error).__name__, *lines[:1]])[:200]
