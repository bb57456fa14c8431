"""What circuits make of runs: a job that may not call its provider waits, and has not failed.

Before a guarded job starts, it takes its place behind a circuit that is half-open
or has just closed; without one it goes back as if never claimed. A run that meets
an open circuit parks: while the database knows the circuit as open, the job keeps
its run_at, hence its place in the order, and the dispatcher holds it back; else
it comes back when the circuit said it would.
"""

import logging

from django.db import connection

from celeriac.breakers.api import CircuitOpen, take_ramp_slot
from celeriac.core.database_errors import is_away
from celeriac.core.sessions import renew_connection
from celeriac.jobs import outcomes
from celeriac.jobs.outcomes import Outcome
from celeriac.jobs.registry import Kind
from celeriac.jobs.running.claim import ClaimedJob
from celeriac.jobs.states import Verb

logger = logging.getLogger(__name__)

#: Seconds; an operator may hold a circuit open without an end.
LEAST, MOST = 0.5, 300.0


def turn_away_outcome(job: ClaimedJob, kind: Kind) -> Outcome | None:
    """Take the job's place behind its circuit; return how it goes back where there is none."""
    if not job.gated or kind.breaker is None:
        return None
    try:
        seconds = take_ramp_slot(kind.breaker)
    except Exception as error:
        if connection.in_atomic_block:
            raise
        logger.warning("job %s could not ask whether its circuit lets it go: %s", job.id, error)
        renew_connection()
        reason = f"its place behind the circuit {kind.breaker} is not known"
        return outcomes.released(reason, delay=0.0 if is_away(error) else LEAST)
    if seconds <= 0:
        return None
    return outcomes.released(f"jobs pass the circuit {kind.breaker} one by one, in their order")


def parked_outcome(error: CircuitOpen, kind: Kind) -> Outcome:
    """Return the outcome of a run that met an open circuit: nothing was sent, nothing failed.

    Only behind its kind's own circuit does a job keep its place: nobody holds it back
    from another one, so it would be rung again at once.
    """
    until = f" until {error.until:%Y-%m-%d %H:%M:%S} UTC" if error.until else ""
    return Outcome(
        Verb.SNOOZE,
        delay=min(max(error.retry_after, LEAST), MOST),
        reason=f"the circuit {error.name} is open{until}",
        circuit=error.name if error.name == kind.breaker else "",
    )
