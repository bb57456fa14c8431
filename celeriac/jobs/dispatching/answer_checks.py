"""What lives, answers: a dispatcher's word on its own answers, and canaries for quiet workers.

A worker that the database has not answered for a while, and that has a slot free, is asked: a
doorbell with an id that exists nowhere goes to that worker alone. Its claim takes nothing, and is
an answer. The worker's beat tells of it; one that was asked and goes on telling nothing is seen by
everybody who looks (celeriac/jobs/operating/unresponsive.py).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import execute, fetch_rows
from celeriac.jobs.dispatching.live_workers import QUIET, QUIET_CONDITION
from celeriac.jobs.dispatching.pending_doorbells import DoorbellPublisher
from celeriac.jobs.living import living_condition
from celeriac.jobs.slots import shared_queues
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Seconds between two canaries.
AGAIN = 3.0

QUIET_WORKERS = f"""
SELECT w.id, w.canary, {NOW}
FROM {tables.WORKER} w
WHERE {living_condition("w.beat_at")} AND {QUIET_CONDITION}
  AND EXISTS (SELECT FROM {tables.QUEUE} q WHERE q.holder = %(me)s AND q.name = ANY(w.queues))
  AND w.slots > (SELECT CASE WHEN w.queues <@ %(shared)s::text[] THEN count(*)
                             ELSE count(DISTINCT j.claim_id) END
                 FROM {tables.JOB} j WHERE j.state = 'running' AND j.worker = w.id)
"""

#: What was asked first and not answered since stays: it says since when a worker is silent.
ASKED = f"""
UPDATE {tables.WORKER} SET asked_at = %(now)s
WHERE id = ANY(%(workers)s) AND (asked_at IS NULL OR asked_at <= answered_at)
"""

SAY = f"""
INSERT INTO {tables.DISPATCHER} (id, name, started_at, beat_at, rang_at, mute_since,
    deaf_since,
                             idle_since)
VALUES (%(id)s, %(name)s, {NOW}, {NOW}, {NOW} - make_interval(secs => %(rang)s),
        {NOW} - make_interval(secs => %(mute)s), {NOW} - make_interval(secs => %(deaf)s),
        {NOW} - make_interval(secs => %(idle)s))
ON CONFLICT (id) DO UPDATE
SET beat_at = excluded.beat_at, rang_at = excluded.rang_at,
    mute_since = excluded.mute_since, deaf_since = excluded.deaf_since,
    idle_since = excluded.idle_since
"""

GOODBYE = f"DELETE FROM {tables.DISPATCHER} WHERE id = %(id)s"
FORGET = f"DELETE FROM {tables.DISPATCHER} WHERE beat_at < {NOW} - interval '1 day'"


@dataclass(slots=True)
class Canaries:
    """Asks the workers that have been quiet, of the queues that a dispatcher holds."""

    me: UUID
    publisher: DoorbellPublisher
    clock: Callable[[], float]
    _asked: dict[UUID, float] = field(default_factory=dict)

    def send(self) -> int:
        """Send a canary to each quiet worker; return how many."""
        parameters = {"me": self.me, "lease": conf.WORKER_LEASE_SECONDS, "quiet": QUIET}
        rows = fetch_rows(QUIET_WORKERS, parameters | {"shared": shared_queues()})
        since = self.clock() - AGAIN
        self._asked = {worker: at for worker, at in self._asked.items() if at > since}
        asked = [row for row in rows if row[0] not in self._asked]
        if not asked:
            return 0
        try:
            self.publisher.ask([queue for _, queue, _ in asked])
        except Exception as error:  # no broker, no canaries: nobody is called silent for it
            logger.debug("canaries can't be sent: %s", error)
            return 0
        self._asked |= {row[0]: self.clock() for row in asked}
        execute(ASKED, {"workers": [row[0] for row in asked], "now": asked[0][2]})
        return len(asked)


def write_answers(
    dispatcher: UUID,
    name: str,
    *,
    rang: float | None,
    mute: float | None,
    deaf: float | None,
    idle: float | None,
) -> None:
    """Write the dispatcher's word: seconds since it rang and since what has failed, or None."""
    ago = {"rang": rang, "mute": mute, "deaf": deaf, "idle": idle}
    execute(SAY, {"id": dispatcher, "name": name, **ago})


def delete_answers(dispatcher: UUID) -> None:
    """Take the dispatcher's word back: it ends."""
    execute(GOODBYE, {"id": dispatcher})


def delete_old_answers() -> None:
    """Delete the words of dispatchers that ended without one, long ago."""
    execute(FORGET)
