"""A dispatcher's glance at the ledger, once a second: which periodic steps have anything to do.

Each of the steps has a statement that is dear to plan, and most of the time finds nothing.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.jobs.running import prepared

#: Seconds for which a glance serves: the steps of one turn share it.
_SERVES = 0.5

GLANCE = f"""
SELECT EXISTS (SELECT FROM {tables.JOB} WHERE state = 'running'),
       EXISTS (SELECT FROM {tables.JOB}
               WHERE state = 'queued' AND attempt = 0 AND expires_at IS NOT NULL
                 AND expires_at <= (SELECT {NOW}))
"""


class Seen(NamedTuple):
    """Whether any job runs, and whether any was not started in time."""

    running: bool
    expired: bool


class Glance:
    """What was seen last, asked anew where that is older than half a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen = Seen(False, False)
        self._until = float("-inf")

    def read(self) -> Seen:
        """Return what there is."""
        if self._clock() >= self._until:
            row = prepared.fetch_rows(GLANCE, (), slow=True)[0]
            self._seen, self._until = Seen(*row), self._clock() + _SERVES
        return self._seen
