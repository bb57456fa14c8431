"""How long runs take, by kind: what doorbells and windows are sized by."""

import contextlib
import time

from celeriac.jobs.running.journals import Journal, JournalFull

_WEIGHT = 0.1  # of the newest run in the moving mean
_PUBLISH_EVERY = 1.0  # seconds


class RunTimes:
    """Exponentially weighted means, in seconds."""

    def __init__(self) -> None:
        self.means: dict[str, float] = {}
        self._published = 0.0

    def add(self, kind: str, seconds: float) -> None:
        """Take one run into the kind's mean."""
        mean = self.means.get(kind)
        self.means[kind] = seconds if mean is None else mean + _WEIGHT * (seconds - mean)

    def publish(self, journal: Journal) -> None:
        """Show the means to the parent, about once a second."""
        now = time.monotonic()
        if now - self._published >= _PUBLISH_EVERY:
            self._published = now
            with contextlib.suppress(JournalFull):
                journal.times(self.means)


def merge_run_times(means: list[dict[str, float]]) -> dict[str, float]:
    """Return one mean per kind from those of several children."""
    kinds = {kind for each in means for kind in each}
    found = {kind: [each[kind] for each in means if kind in each] for kind in kinds}
    return {kind: sum(values) / len(values) for kind, values in found.items()}
