"""Settling surely: a child takes no other doorbell before its outcomes are written."""

import logging
import math
import random
import time
from collections.abc import Sequence
from dataclasses import replace

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    connection,
    transaction,
)

from celeriac.core.sessions import renew
from celeriac.jobs import counted, nudge, registry
from celeriac.jobs.callbacks import sql as callbacks
from celeriac.jobs.enqueueing.enqueue import enqueue
from celeriac.jobs.errors import EnqueueBusy, JobError
from celeriac.jobs.naming import named
from celeriac.jobs.outcomes import Outcome, Settlement
from celeriac.jobs.running.settle import Entry, Settled, settle, settle_joint
from celeriac.jobs.states import State, Verb

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
#: Errors that are not the database's, after which a settle is left to others.
_STRANGE = 5
#: Seconds.
PATIENCE = 3.0


def settle_surely(entries: Sequence[Entry]) -> list[Settled]:
    """Write `entries`, however long the database is away; return what became of each.

    Raises what is no error of the database's and came again and again.
    """
    settled: list[Settled] = []
    waiting = list(entries)
    pause, strange = _FIRST_PAUSE, 0
    while waiting:
        try:
            return settled + settle_and_follow_up(waiting)
        except (DataError, IntegrityError) as error:
            return settled + _settle_singly(waiting, error)
        except Exception as error:
            # Away, demoted, or not migrated yet: nothing that an entry could be blamed for.
            # Or nothing of the database's, such as a wrapper that a handler left around it.
            strange += not isinstance(error, DatabaseError | InterfaceError | EnqueueBusy)
            if connection.in_atomic_block or strange > _STRANGE:
                raise  # the caller's transaction is lost, and so is what it did
            ids = [entry.job_id for entry in waiting]
            logger.warning("the settle of %s failed, trying again: %s", named(ids), error)
            if _is_held(error):
                rows, waiting = _settle_free(waiting)
                settled += rows
            else:
                renew()
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
    return settled


def settle_what_is_free(entries: Sequence[Entry]) -> tuple[list[Settled], list[Entry]]:
    """Write `entries` but for those that a lock of others' holds; return what became of each.

    For those who settle for others, and must not wait long for anybody: after
    PATIENCE seconds the rest counts as held, another one of it each time.
    """
    try:
        return settle_and_follow_up(entries), []
    except (DataError, IntegrityError):
        pass
    except DatabaseError as error:
        if not _is_held(error):
            raise
    return _settle_free(random.sample(entries, len(entries)), patience=PATIENCE)


def _settle_free(
    entries: Sequence[Entry], patience: float = math.inf
) -> tuple[list[Settled], list[Entry]]:
    """Try each alone; return what was written, and those that a lock of others' still holds."""
    settled, held = [], []
    deadline = time.monotonic() + patience
    for entry in entries:
        if time.monotonic() > deadline:
            held.append(entry)
            continue
        try:
            settled += settle_and_follow_up([entry])
        except (DataError, IntegrityError) as error:
            settled += _settle_singly([entry], error)
        except (DatabaseError, InterfaceError):
            held.append(entry)
    return settled, held


def _is_held(error: Exception) -> bool:
    """Whether a lock of somebody else's was in the way; the connection is sound."""
    return getattr(error.__cause__, "sqlstate", None) in ("55P03", "40P01")


def settle_and_follow_up(entries: Sequence[Entry]) -> list[Settled]:
    """Settle; enqueue what follows a death in the same transaction; wake who waits."""
    if any(_has_hook(entry) for entry in entries):
        with transaction.atomic():
            settled = settle(entries)
            _follow_deaths(settled, entries)
    else:
        settled = settle(entries)
    _wake(settled, entries)
    return settled


def settle_in_its_transaction(entry: Entry, began: str) -> Settled:
    """Settle a transactional kind's success in the transaction that `began` then; wake who waits.

    Whether it is refused must be looked at: nothing has been logged then.
    """
    settled = settle_joint(entry, began)
    _wake([settled], [entry])
    return settled


def _settle_singly(entries: Sequence[Entry], error: DatabaseError) -> list[Settled]:
    """One entry can't be written: find it, and give it up with the database's words."""
    if len(entries) > 1:
        return [row for entry in entries for row in settle_surely([entry])]
    (entry,) = entries
    if entry.settlement.verb is Verb.GIVE_UP:
        raise error
    # The first line only: what follows are the row's values, secrets among them.
    words = (str(error).splitlines() or [type(error).__name__])[0]
    logger.error("the outcome of job %s can't be written: %s", entry.job_id, words)
    message = f"its outcome could not be written: {words}".replace("\x00", "")[:500]
    hopeless = replace(
        entry,
        settlement=Settlement(Verb.GIVE_UP, failures=1, error=message, writes_attempt=True),
        outcome=Outcome(Verb.GIVE_UP, error_class=type(error).__name__, message=message),
    )
    return settle_surely([hopeless])


def _has_hook(entry: Entry) -> bool:
    return entry.settlement.verb is Verb.GIVE_UP


def _follow_deaths(settled: Sequence[Settled], entries: Sequence[Entry]) -> None:
    by_id = {entry.job_id: entry for entry in entries}
    for row in settled:
        kind = registry.get(row.kind)
        if row.state is State.DEAD and kind is not None and kind.on_dead:
            _follow_death(kind.on_dead, by_id[row.job_id])


def _follow_death(hook: str, entry: Entry) -> None:
    """Enqueue the hook; one that can't be enqueued must not keep the death from being written."""
    try:
        enqueue(
            hook,
            {"job_id": str(entry.job_id), "error": entry.settlement.error},
            idempotency_key=f"on_dead:{entry.claim_id}",
            scope=f"job:{entry.job_id}",
        )
    except EnqueueBusy as error:
        raise (error.__cause__ or error) from None  # a lock: the whole settle is tried again
    except JobError as error:
        logger.error("job %s is dead, but its on_dead=%r failed: %s", entry.job_id, hook, error)


def _wake(settled: Sequence[Settled], entries: Sequence[Entry]) -> None:
    locks = [row.lock_key for row in settled if row.lock_key]
    returned = {
        e.job_id
        for e in entries
        if (e.settlement.verb in (Verb.RELEASE, Verb.RESCUE) and not e.settlement.delay)
        or e.settlement.circuit
    }
    ids = [row.job_id for row in settled if row.state is State.QUEUED and row.job_id in returned]
    if locks:
        nudge.freed(locks=locks)
    if ids:
        nudge.returned(ids=ids)
    if calls := sum(row.called for row in settled):
        counted.called(calls)
        nudge.wake(queues=[callbacks.QUEUE])
