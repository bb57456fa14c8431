"""Celery's beat around the platform's own loop (celeriac/schedules/loop.py).

`celery beat` of an app of ours uses it by default. Celery gives the process, its signals
and its logging; entries, heap and shelve of its scheduler stay empty, for whatever
is due is read from the database each time. Any number of beats may run.
"""

from typing import Any

from celery import Celery
from celery.beat import ScheduleEntry, Scheduler

from celeriac.schedules.loop import LONGEST, Loop


class DatabaseScheduler(Scheduler):
    """Turns due ticks into jobs of the ledger."""

    loop: Loop | None = None

    def __init__(self, app: Celery, *args: Any, **kwargs: Any) -> None:
        super().__init__(app, *args, **kwargs)
        self.max_interval = round(LONGEST)

    def setup_schedule(self) -> None:
        """Begin the loop; declared schedules are synchronised by its first turn."""
        self.loop = Loop()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Fire what is due; return the seconds until the next look."""
        return self.loop.turn() if self.loop else LONGEST

    def close(self) -> None:
        """Say that this beat stops."""
        if self.loop is not None:
            self.loop.stop()
            self.loop = None
        super().close()

    @property
    def schedule(self) -> dict[str, ScheduleEntry]:  # type: ignore[override]  # Celery's is a plain property
        """Nothing: entries live in the database."""
        return {}

    @property
    def info(self) -> str:
        """A line of beat's banner."""
        return "    . schedules -> database, any number of beats"
