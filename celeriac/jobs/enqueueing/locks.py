"""Waiting for a row's lock, but not forever; and races that a strict isolation level loses."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

from celeriac.core.sqlstates import DEADLOCK, LOCK_NOT_AVAILABLE, SERIALIZATION, sqlstate_of
from celeriac.jobs.errors import EnqueueBusy
from celeriac.settings import conf


def lock_timeout() -> str:
    """Return how long a lock is waited for, as PostgreSQL reads it."""
    return f"{max(1, round(conf.LOCK_TIMEOUT_SECONDS * 1000))}ms"


@contextmanager
def busy_errors(what: str) -> Iterator[None]:
    """Turn a lock that was not to be had in time, or a lost race, into EnqueueBusy."""
    try:
        yield
    except OperationalError as error:
        refuse_busy(error, what)
        raise


def refuse_busy(error: OperationalError, what: str) -> None:
    """Raise EnqueueBusy where `error` is a lock not to be had in time, or a race that was lost."""
    state = sqlstate_of(error)
    if state == SERIALIZATION:
        raise EnqueueBusy(
            f"Another transaction has changed {what} meanwhile, which the isolation level of "
            "this one does not allow; try the whole transaction again."
        ) from error
    if state in (LOCK_NOT_AVAILABLE, DEADLOCK):
        raise EnqueueBusy(
            f"Another transaction has held {what} for longer than "
            f"{conf.LOCK_TIMEOUT_SECONDS:g} s; try again shortly."
        ) from error


@contextmanager
def bounded_wait(what: str) -> Iterator[None]:
    """Make the block a transaction, or a savepoint of the open one, that waits only so long.

    After EnqueueBusy the open transaction is usable, its `lock_timeout` as before.
    """
    with busy_errors(what), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)",
            [lock_timeout()],
        )
        before = cursor.fetchone()[0]
        yield
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])
