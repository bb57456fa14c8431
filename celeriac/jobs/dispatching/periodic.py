"""What a dispatcher does besides ringing, each at its interval and within its share of the time."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class PeriodicStep:
    """Something to do every `interval` seconds, in at most `share` of the time.

    `run` returns whether it left work undone: then it is due again as soon as its
    share allows.
    """

    run: Callable[[], object]
    interval: float
    share: float = 1.0
    due_at: float = 0.0

    def perform(self, clock: Callable[[], float]) -> None:
        """Run when due; a failure counts as a run."""
        started = clock()
        if started < self.due_at:
            return
        self.due_at = started + self.interval
        more = self.run() is True
        ended = clock()
        rest = (ended - started) * (1.0 / self.share - 1.0)
        self.due_at = ended + rest if more else max(started + self.interval, ended + rest)

    def hasten(self) -> None:
        """Make it due now."""
        self.due_at = 0.0
