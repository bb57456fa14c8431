"""Beat's loop, without Celery: look, fire, say when to look again."""

import logging
import time

from django.db import connection

from celeriac.core.counting import publish
from celeriac.core.database_errors import is_away
from celeriac.jobs.errors import EnqueueBusy
from celeriac.schedules import sql
from celeriac.schedules.fire import BATCH, FireResult, fire_due
from celeriac.schedules.heartbeat import Heartbeat
from celeriac.schedules.refresh import reconsider, refresh_schedules
from celeriac.schedules.sync import sync_schedules
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Seconds between two looks at most: a new schedule waits no longer.
LONGEST = 1.0


class Loop:
    """What one beat does, over and over. It holds nothing that it could not read again."""

    def __init__(self) -> None:
        self.heartbeat = Heartbeat()
        self._synced = False
        self._refreshed_at: float | None = None
        self._failing = False
        self._publish_counts, self._published_at = publish.publish_in_loop(), float("-inf")

    def turn(self) -> float:
        """Fire what is due; return the seconds until it is worth looking again.

        Never raises: without the database nothing is advanced, and the next turn tries again.
        """
        try:
            pause = self._turn()
        except Exception as error:
            self._report(error)
            connection.close()
            return LONGEST
        if self._failing:
            logger.warning("beat: the database is back")
            self._failing = False
        return pause

    def stop(self) -> None:
        """Say goodbye, if the database listens."""
        try:
            self.heartbeat.stop()
            self._publish_counts()
        except Exception:
            logger.warning("beat: could not write that it stops", exc_info=True)
        connection.close()

    def _turn(self) -> float:
        if not self._synced:
            self._begin()
            self._synced = True
        now = time.monotonic()
        if self._refreshed_at is None or (
            now - self._refreshed_at >= conf.SCHEDULES_REFRESH_SECONDS
        ):
            refresh_schedules()
            self._refreshed_at = now
        at, upcoming = sql.next_fire()
        done = self._fire() if upcoming is not None and upcoming <= at else FireResult()
        self.heartbeat.beat(now, fired=done.fired)
        self._publish(now)
        if done.schedules == BATCH:
            return 0.0
        if done.schedules:
            at, upcoming = sql.next_fire()
        if upcoming is None:
            return LONGEST
        ahead = (upcoming - at).total_seconds()
        # What is due and was not taken is in another's hands: no need to hurry.
        return min(ahead, LONGEST) if ahead > 0 else 0.05 if done.schedules else LONGEST / 4

    def _begin(self) -> None:
        reconsider()
        try:
            refused = [change for change in sync_schedules() if change.done == "refused"]
        except Exception as error:
            if is_away(error):
                raise  # the next turn begins again
            # What is in the database already must fire all the same.
            logger.exception("beat: the declared schedules were not synchronised")
            return
        for change in refused:
            logger.error("beat: a declared schedule was refused: %s", change.error)

    def _publish(self, now: float) -> None:
        if now - self._published_at >= conf.METRICS_PUBLISH_SECONDS:
            self._published_at = now
            self._publish_counts()

    def _fire(self) -> FireResult:
        try:
            return fire_due()
        except EnqueueBusy:
            # One schedule's key is held by somebody's open transaction: go around it.
            return self._one_by_one()

    def _one_by_one(self) -> FireResult:
        schedules = fired = 0
        for pk in sql.due_ids(limit=BATCH):
            try:
                done = fire_due(only=[pk])
            except EnqueueBusy as error:
                logger.warning("beat: %s", error)
                continue
            schedules += done.schedules
            fired += done.fired
        return FireResult(min(schedules, BATCH - 1), fired)

    def _report(self, error: Exception) -> None:
        if self._failing:
            logger.debug("beat: still failing", exc_info=error)
        else:
            logger.error("beat: nothing fires until this ends: %s", error, exc_info=error)
        self._failing = True
