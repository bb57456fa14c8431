"""Sending doorbells to a broker that may be away."""

import logging
from collections.abc import Callable, Mapping, Sequence

from celeriac.jobs import metrics
from celeriac.jobs.dispatching import line
from celeriac.jobs.dispatching.admission import RoundSnapshot
from celeriac.jobs.dispatching.live_workers import Workers
from celeriac.jobs.dispatching.pending_doorbells import Doorbell, DoorbellPublisher
from celeriac.jobs.dispatching.queue_cursors import QueueCursor
from celeriac.jobs.open_line import LineState

logger = logging.getLogger(__name__)

#: Seconds of quiet after a failure, the first and the longest.
_FIRST_REST, _LONGEST_REST = 0.1, 1.0
#: Seconds after which what holds on the open line is said again.
_KEEP_LINE = 1.0


class Ringer:
    """Rings; after a failure it is quiet for a while, each time for longer. Times are monotonic."""

    def __init__(self, publisher: DoorbellPublisher, clock: Callable[[], float]) -> None:
        self._publisher = publisher
        self._clock = clock
        #: When the broker last took doorbells, and since when it takes none.
        self.rang_at: float | None = None
        self.mute_since: float | None = None
        self._quiet_for = self._quiet_until = 0.0
        self._line: LineState | None = None
        self._kept_line_at = 0.0

    @property
    def rest(self) -> float:
        """Seconds until the broker should be tried again; 0 where it may be now."""
        return max(0.0, self._quiet_until - self._clock())

    def hasten(self) -> None:
        """Let it be tried again now."""
        self._quiet_until = 0.0

    def ring(self, doorbells: Sequence[Doorbell]) -> Exception | None:
        """Send the doorbells; return what went wrong, logged once for a loss of the broker."""
        try:
            self._publisher.ring(doorbells)
        except Exception as error:  # whatever a publisher raises: its doorbells are missing
            self._fail(error)
            return error
        if self._quiet_for:
            logger.info("the broker takes doorbells again")
        self._quiet_for, self.mute_since, self.rang_at = 0.0, None, self._clock()
        metrics.count_answer("dispatcher")
        return None

    def keep_line(
        self, cursors: Mapping[str, QueueCursor], workers: Workers, snapshot: RoundSnapshot
    ) -> None:
        """Say on the open line what is held: where it has changed, else once a second."""
        state, now = line.state_of(cursors, workers, snapshot), self._clock()
        if state == self._line and now - self._kept_line_at < _KEEP_LINE:
            return
        self._line, self._kept_line_at = state, now
        try:
            self._publisher.keep_line(state)
        except Exception as error:  # likewise
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._quiet_for:
            self.mute_since = self._clock()
            logger.error("doorbells can't be sent, trying again: %s", error)
        self._quiet_for = min(_LONGEST_REST, self._quiet_for * 2 or _FIRST_REST)
        self._quiet_until = self._clock() + self._quiet_for
