"""Performing one job: its handler, within its limits, to an outcome."""

import contextvars
import decimal
import inspect
import logging
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NoReturn

from asgiref.sync import sync_to_async
from django.db import transaction

from celeriac.breakers.api import CircuitOpen
from celeriac.core import context, tracing
from celeriac.jobs import outcomes, redaction, schemas
from celeriac.jobs.errors import LostClaim
from celeriac.jobs.nodes.inputs import filled_args
from celeriac.jobs.outcomes import Outcome
from celeriac.jobs.running import (
    commit_hooks,
    current,
    joint_transaction,
    sessions,
    soft_limit,
    thread_limit,
)
from celeriac.jobs.running.coroutines import await_within, run_within
from celeriac.jobs.running.finish import settle_in_its_transaction
from celeriac.jobs.running.joint_transaction import TransactionLeftOpen
from celeriac.jobs.running.observing import labels_of, outcome_of_error, outcome_of_value
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.soft_limit import call_within

logger = logging.getLogger(__name__)

_NO_FAILURE = (outcomes.Snooze, outcomes.Cancelled, CircuitOpen)
#: What may end a handler amid a statement.
_CUTTING = (outcomes.TimeLimitExceeded, LostClaim)


def perform_run(run: Run) -> None:
    """Run the handler and decide how it ended. Where a transactional kind succeeds it is settled.

    It is decided before anything is set back: what goes wrong then changes no ending.
    """
    before = sessions.look_at_connections()
    run.started_at = run.ended_at = time.monotonic()
    _decide_by(_perform_traced, run, before)


async def await_run(
    run: Run, lost: Callable[[], float], prepare: Callable[[], Awaitable[None]]
) -> Any:
    """Await `prepare`, then the handler, a coroutine's; `lost` as in `await_within`."""
    if run.job.headers is not None:
        await sync_to_async(_fill_in)(run)
    with _traced(run) if tracing.is_on() else tracing.NOTHING:
        handler = _enter(run)
        await prepare()
        return await await_within(run.limits[0], handler(), lost)


def conclude_run(run: Run, ended: Callable[[], Any], before: sessions.ConnectionsBefore) -> None:
    """Decide how a run ended that was awaited: `ended` returns what it did, or raises it."""

    def conclude(run: Run, before: sessions.ConnectionsBefore) -> Outcome:
        outcome = outcome_of_value(ended())
        if before.left_open():
            raise TransactionLeftOpen
        return outcome

    _decide_by(conclude, run, before)


_Step = Callable[[Run, sessions.ConnectionsBefore], Outcome]


def _decide_by(step: _Step, run: Run, before: sessions.ConnectionsBefore) -> None:
    process, outcome = _process, None
    try:
        outcome = contextvars.copy_context().run(step, run, before)
    except KeyboardInterrupt:
        raise  # of this process, not of this job: nobody can say how it ended
    except BaseException as error:  # every ending is an outcome
        if process is not _process:
            _leave_fork(error)
        if not run.reached and isinstance(error, Exception):
            run.started_at = 0.0  # this platform stumbled before the job's turn
            raise
        run.error = error
        outcome = outcome_of_error(error, run, before)
    finally:
        if process is not _process:
            _leave_fork(run.error)
        run.ended_at = time.monotonic()
        if run.settled is None:
            run.decide(outcome)
        before.restore(run.error, cut=_is_cut(run.error))


def _is_cut(error: BaseException | None) -> bool:
    if error is not None and issubclass(type(error), outcomes.Retry):  # it may lie of its class
        error = getattr(error, "cause", None)
    return error is not None and issubclass(type(error), _CUTTING)


def _traced(run: Run) -> AbstractContextManager[object]:
    """Make the run a span of the trace that the job was enqueued in."""
    return tracing.span(
        f"run {run.kind.name}",
        "consumer",
        parent=run.job.trace,
        expected=_NO_FAILURE,
        redact=redaction.redactor_of(run.kind, run.job.args).text,
        celeriac__job_id=str(run.job.id),
        celeriac__attempt=run.job.attempt,
        celeriac__correlation_id=run.job.correlation_id,
    )


def _perform_traced(run: Run, before: sessions.ConnectionsBefore) -> Outcome:
    with _traced(run) if tracing.is_on() else tracing.NOTHING:
        return _perform(run, before)


def _enter(run: Run) -> Callable[[], Any]:
    """Make the current context the run's; return the call of its handler."""
    context.bind_lazily(partial(labels_of, run))
    current.enter_job(run.job, run.claim_id)
    decimal.setcontext(decimal.getcontext().copy())  # a copied context shares the object
    if run.kind.redact:
        context.redact_with(redaction.redactor_of(run.kind, run.job.args).text)
    if run.kind.limit_error is not None:
        thread_limit.use_error(run.kind.limit_error)
    run.reached = True
    return partial(run.kind.handler, **run.kind.schema.load(run.job.args))


def _fill_in(run: Run) -> None:
    """Put the results of others in their places, which may be the job's fault."""
    run.reached = True
    run.job.args = filled_args(run.job.args, run.job.headers)


def _perform(run: Run, before: sessions.ConnectionsBefore) -> Outcome:
    if run.job.headers is not None:
        _fill_in(run)
    handler = _enter(run)
    with schemas.entered(run.job.tenant, run.kind.handler):
        if run.kind.transactional:
            return _perform_in_transaction(run, handler, before)
        outcome = outcome_of_value(_call(handler, run.limits[0]))
        if before.left_open():
            raise TransactionLeftOpen
        return outcome


def _perform_in_transaction(
    run: Run, handler: Callable[[], Any], before: sessions.ConnectionsBefore
) -> Outcome:
    block = transaction.atomic()
    with block:
        began = joint_transaction.begin_transaction()
        try:
            outcome = outcome_of_value(_call(handler, run.limits[0]))
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt) and joint_transaction.has_ended(began):
                raise joint_transaction.ended_error() from error
            raise
        joint_transaction.check_transaction(block)
        run.ended_at = time.monotonic()
        run.decide(outcome)
        settled = settle_in_its_transaction(run, began)
        if settled.state is None:
            if joint_transaction.has_ended(began):
                raise joint_transaction.ended_error()
            raise LostClaim(f"Job {run.job.id} is no longer this run's; its effects roll back.")
        raised = commit_hooks.guard_hooks()
    run.settled = settled
    if before.left_open():
        raised.append(TransactionLeftOpen())  # by a hook: the job itself has succeeded
        before.restore(raised[-1], cut=False)
    if raised:
        commit_hooks.report_hooks(run.job, run.kind, raised)
    return outcome


def _call(handler: Callable[[], Any], limit: float | None) -> Any:
    """Call the handler within its soft limit; await what it returns where that is an awaitable."""
    value = call_within(limit, handler)
    if value is None or not inspect.isawaitable(value):
        return value
    soft_limit.look_again()
    return run_within(limit, value)


#: Stands for this process: a fork has another. (To ask for its number is a system call.)
_process = object()


def _leave_fork(error: BaseException | None) -> NoReturn:
    """End a fork that came out of its handler: only the process that claimed may go on."""
    code = error.code if isinstance(error, SystemExit) else 1 if error else 0
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _note_fork() -> None:
    global _process
    _process = object()


os.register_at_fork(after_in_child=_note_fork)
