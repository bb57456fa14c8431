"""Settling surely, and what follows: a child takes no other doorbell before that is done."""

import logging
import math
import random
import time
from collections.abc import Sequence
from uuid import UUID

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    connection,
    transaction,
)

from celeriac.core.sessions import renew_connection
from celeriac.core.sqlstates import DEADLOCK, LOCK_NOT_AVAILABLE, sqlstate_of
from celeriac.jobs import metrics, nudge
from celeriac.jobs.callbacks import sql as callbacks
from celeriac.jobs.enqueueing.enqueue import enqueue
from celeriac.jobs.errors import EnqueueBusy, JobError
from celeriac.jobs.log_names import job_names
from celeriac.jobs.nodes.closing import close_soon
from celeriac.jobs.outcomes import Settlement
from celeriac.jobs.running.run import Run, Settled
from celeriac.jobs.running.settle import settle_joint, settle_runs
from celeriac.jobs.states import TERMINAL, State, Verb

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
#: Errors that are not the database's, after which a settle is left to others.
_STRANGE = 5
#: Seconds.
PATIENCE = 3.0


def settle_surely(runs: Sequence[Run]) -> None:
    """Write how `runs` ended, however long the database is away.

    Raises what is no error of the database's and came again and again.
    """
    pause, strange = _FIRST_PAUSE, 0
    while waiting := [run for run in runs if run.settled is None]:
        try:
            return settle_and_follow_up(waiting)
        except (DataError, IntegrityError) as error:
            return _settle_singly(waiting, error)
        except Exception as error:
            # Away, demoted, or not migrated yet: nothing that a run could be blamed for.
            # Or nothing of the database's, such as a wrapper that a handler left around it.
            strange += not isinstance(error, DatabaseError | InterfaceError | EnqueueBusy)
            if connection.in_atomic_block or strange > _STRANGE:
                raise  # the caller's transaction is lost, and so is what it did
            ids = [run.job.id for run in waiting]
            logger.warning("the settle of %s failed, trying again: %s", job_names(ids), error)
            if _is_held(error):
                _settle_free(waiting)
            else:
                renew_connection()
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)


def settle_what_is_free(runs: Sequence[Run]) -> list[Run]:
    """Write how `runs` ended; return those that a lock of others' holds.

    For those who settle for others, and must not wait long for anybody: after
    PATIENCE seconds the rest counts as held, another one of it each time.
    """
    try:
        settle_and_follow_up(runs)
    except (DataError, IntegrityError):
        _settle_free(random.sample(runs, len(runs)), patience=PATIENCE)
    except DatabaseError as error:
        if not _is_held(error):
            raise
        _settle_free(random.sample(runs, len(runs)), patience=PATIENCE)
    return [run for run in runs if run.settled is None]


def _settle_free(runs: Sequence[Run], patience: float = math.inf) -> None:
    """Try each alone that is not settled, passing over those that a lock of others' still holds."""
    deadline = time.monotonic() + patience
    for run in runs:
        if run.settled is not None or time.monotonic() > deadline:
            continue
        try:
            settle_and_follow_up([run])
        except (DataError, IntegrityError) as error:
            _settle_singly([run], error)
        except (DatabaseError, InterfaceError):
            continue


def _is_held(error: Exception) -> bool:
    """Whether a lock of somebody else's was in the way; the connection is sound."""
    return sqlstate_of(error) in (LOCK_NOT_AVAILABLE, DEADLOCK)


def settle_and_follow_up(runs: Sequence[Run]) -> None:
    """Settle; enqueue what follows a death in the same transaction; wake who waits."""
    try:
        if any(run.settlement.verb is Verb.GIVE_UP for run in runs):
            _settle_deaths(runs)
        else:
            settle_runs(runs)
    finally:
        _wake(runs)  # also where not all of them could be written


def settle_in_its_transaction(run: Run, began: str) -> Settled:
    """Settle a transactional kind's success in the transaction that `began` then; wake who waits.

    Whether it is refused must be looked at: nothing has been logged then.
    """
    settled = settle_joint(run, began)
    if settled.state is not None:
        _wake_for([run.job.lock_key] if run.job.lock_key else [], [], int(settled.called))
        if run.job.node is not None:
            nudge.nudge_nodes(nodes=[run.job.node])
    return settled


def _settle_singly(runs: Sequence[Run], error: DatabaseError) -> None:
    """One can't be written: find it, and give it up with the database's words."""
    if len(runs) > 1:
        for run in runs:
            settle_surely([run])
        return
    (run,) = runs
    if run.settlement.verb is Verb.GIVE_UP:
        raise error
    # The first line only: what follows are the row's values, secrets among them.
    words = (str(error).splitlines() or [type(error).__name__])[0]
    logger.error("the outcome of job %s can't be written: %s", run.job.id, words)
    message = f"its outcome could not be written: {words}".replace("\x00", "")[:500]
    run.settlement = Settlement(
        Verb.GIVE_UP,
        failures=1,
        error=message,
        writes_attempt=True,
        error_class=type(error).__name__,
        message=message,
        started=run.settlement.started,
        seconds=run.settlement.seconds,
    )
    settle_surely(runs)


def _settle_deaths(runs: Sequence[Run]) -> None:
    try:
        with transaction.atomic():
            settle_runs(runs)
            for run in runs:
                if run.settled and run.settled.state is State.DEAD:
                    _follow_death("on_dead", run.kind.on_dead, run)
                    if run.settlement.losses:
                        _follow_death("on_lost", run.kind.on_lost, run)
    except BaseException:
        for run in runs:
            run.settled = None  # nothing of it is written
        raise


def _follow_death(option: str, hook: str | None, run: Run) -> None:
    """Enqueue the hook; one that can't be enqueued must not keep the death from being written."""
    if hook is None:
        return
    try:
        enqueue(
            hook,
            {"job_id": str(run.job.id), "error": run.settlement.error},
            idempotency_key=f"{option}:{run.claim_id}",
            scope=f"job:{run.job.id}",
        )
    except EnqueueBusy as error:
        raise (error.__cause__ or error) from None  # a lock: the whole settle is tried again
    except JobError as error:
        logger.error("job %s is dead, but its %s=%r failed: %s", run.job.id, option, hook, error)


def _wake(runs: Sequence[Run]) -> None:
    locks, returned, calls = [], [], 0
    for run in runs:
        settled = run.settled
        if settled is None or settled.state is None:
            continue
        if run.job.lock_key:
            locks.append(run.job.lock_key)
        if settled.state is State.QUEUED and _is_due(run):
            returned.append(run.job.id)
        calls += settled.called
    _wake_for(locks, returned, calls)
    if any(run.job.node for run in runs):
        _close_for(runs)


def _close_for(runs: Sequence[Run]) -> None:
    """See to the groups of jobs that have ended; one's own group bears its id."""
    ended = [
        run.job for run in runs if run.settled and run.settled.state in TERMINAL and run.job.node
    ]
    own = [job.id for job in ended if job.node == job.id]
    close_soon(own, {job.node for job in ended if job.node and job.node != job.id})


def _is_due(run: Run) -> bool:
    """Whether its job, which went back, is due as it was before, or as its circuit allows."""
    settlement = run.settlement
    at_once = settlement.verb in (Verb.RELEASE, Verb.RESCUE) and not settlement.delay
    return at_once or bool(settlement.circuit)


def _wake_for(locks: list[str], returned: list[UUID], calls: int) -> None:
    if locks:
        nudge.nudge_locks(locks=locks)
    if returned:
        nudge.nudge_jobs(ids=returned)
    if calls:
        metrics.count_callbacks(calls)
        nudge.nudge_queues(queues=[callbacks.QUEUE])
