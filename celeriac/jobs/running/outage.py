"""A run under which the ledger's database went away: nobody pays for that.

It goes back to the queue, and counts as neither failure nor loss. But a handler
that breaks its own connection each time must end: a run that ended so, while this
process could connect again at once, is counted in the job's row (`cuts`), and from
the third one in a row it is a failure. A run during an outage, when nobody can
connect, leaves that count alone, and so does one that could not connect itself, as
runs with a slot do; any other ending sets it back.
"""

import logging
import random
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType

import psycopg
from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.utils import DatabaseErrorWrapper

from celeriac.core import tables
from celeriac.core.database_errors import is_away
from celeriac.core.sessions import renew_connection
from celeriac.jobs.outcomes import MOST_CUTS, GiveUp, Outcome, Retry, TimeLimitExceeded, error_line
from celeriac.jobs.running.claim import ClaimedJob
from celeriac.jobs.running.many.bounded_connections import NoConnection
from celeriac.jobs.states import Verb

logger = logging.getLogger(__name__)

AWAY = "the database went away"
#: Seconds until the next run, at the least and at the most: anywhere between, so that no run meets
#: what breaks connections every half a second in the same moment each time, three times in a row.
BACK_AFTER = (0.5, 1.5)
#: The handler's own doing, though the server ends the connection: it left its transaction idle,
#: or open for too long.
_OWN_FAULT = ("25P03", "25P04")
#: psycopg before 3.2 drops the code of what ended a session, and keeps the server's words.
_OWN_FAULT_WORDS = "transaction timeout"
_COUNT = f"""
SELECT cuts, pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean
FROM {tables.JOB} WHERE id = %s AND state = 'running' AND attempt = %s
"""


def went_away(error: BaseException, before: psycopg.Connection | None) -> bool:
    """Say whether the run ended with `error` because the ledger's database was away.

    `before` is the ledger's connection as the run found it. Another database's
    absence, or that of a connection which the handler made itself, is its own failure.
    """
    if isinstance(error, GiveUp):
        return False  # a verdict, whatever led to it
    caused = (error, error.cause) if isinstance(error, Retry) and error.cause else (error,)
    if any(_is_own_fault(each) for cause in caused for each in error_chain(cause)):
        return False
    if isinstance(error, TimeLimitExceeded):
        return _came_from_ledger(error, before)  # it waited for an answer when its time was up
    if any(raw is not None and raw.broken for raw in (before, connection.connection)):
        return True
    return any(is_away(each) and _came_from_ledger(each, before) for each in caused)


def outcome_of(error: BaseException, job: ClaimedJob, failure: Outcome) -> Outcome:
    """Return how such a run goes back; `failure` where it is one all the same.

    That is one cut too many in a row, and a soft limit that struck while a database
    that was there let its handler wait.
    """
    reason = f"{AWAY}: {error_line(failure)}"[:200]
    delay = random.uniform(*BACK_AFTER)  # noqa: S311 no secret
    away = Outcome(Verb.SNOOZE, delay=delay, reason=reason, cuts=None)
    if any(isinstance(each, NoConnection) for each in error_chain(error)):
        return away
    if connection.in_atomic_block:
        return away  # a test's own transaction, which nobody can connect anew
    cuts = _count(job)
    if cuts is None:
        return away
    if isinstance(error, TimeLimitExceeded):
        return failure
    if cuts + 1 >= MOST_CUTS:
        return replace(failure, cuts=MOST_CUTS)
    return replace(away, cuts=cuts + 1)


def _count(job: ClaimedJob) -> int | None:
    """Connect anew; return the row's count of cuts, None where nobody can work there now."""
    try:
        renew_connection()  # with whatever a handler hung on it
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [job.id, job.attempt])
            row = cursor.fetchone()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the database is away: %s", error)
        renew_connection()
        return None
    if row is None:
        return None  # no longer this run's: what is written now is refused
    cuts, reads_only = row
    if reads_only:
        renew_connection()
        return None
    return int(cuts)


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, those it groups, and those that led to it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        before = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        if before is not None:
            waiting.append(before)


def _is_own_fault(error: BaseException) -> bool:
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:
        return _OWN_FAULT_WORDS in str(error)
    return error.sqlstate in _OWN_FAULT


def _came_from_ledger(error: BaseException, before: psycopg.Connection | None) -> bool:
    """Say whether the error, or one that led to it, passed through the ledger's connection."""
    ledger = connections["default"]  # itself: `connection` stands for it
    ours = [ledger, *(raw for raw in (before, ledger.connection) if raw is not None)]
    return any(
        any(owner is each for each in ours)
        for origin in error_chain(error)
        for owner in _owners(origin.__traceback__)
    )


def _owners(traceback: TracebackType | None) -> Iterator[object]:
    """Yield the connections whose code a traceback went through."""
    while traceback is not None:
        this = traceback.tb_frame.f_locals.get("self")
        if isinstance(this, DatabaseErrorWrapper):
            yield this.wrapper  # type: ignore[attr-defined] # the connection that it serves
        elif isinstance(this, psycopg.Cursor):
            yield this.connection
        elif this is not None:
            yield this
        traceback = traceback.tb_next
