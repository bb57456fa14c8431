"""A beat's word that it lives, for /readyz, doctor and the admin."""

import os
import socket
from datetime import timedelta
from uuid import UUID, uuid4

from celeriac.core.clock import Now
from celeriac.jobs import metrics
from celeriac.schedules.models import Beat

#: Rows of beats that are gone are kept that long.
KEPT = timedelta(days=2)


class Heartbeat:
    """One instance of a beat: writes its row at most every `every` seconds."""

    def __init__(self, *, every: float = 5.0) -> None:
        self.id: UUID = uuid4()
        self.every = every
        self._beaten_at: float | None = None
        self._fired = 0

    def beat(self, at: float, *, fired: int = 0) -> None:
        """Count what was fired; write the row when `at` (monotonic seconds) says it is time."""
        self._fired += fired
        metrics.count_answer("beat")
        if self._beaten_at is not None and at - self._beaten_at < self.every:
            return
        values = {"beat_at": Now(), "stopped_at": None, "fired": self._fired}
        if not Beat.objects.filter(pk=self.id).update(**values):
            Beat.objects.filter(beat_at__lt=Now() - KEPT).delete()
            Beat.objects.create(
                id=self.id, host=socket.gethostname(), pid=os.getpid(), fired=self._fired
            )
        self._beaten_at = at

    def stop(self) -> None:
        """Write that this beat has ended in good order."""
        Beat.objects.filter(pk=self.id).update(stopped_at=Now())
