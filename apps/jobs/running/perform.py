"""Performing one job: its handler, within its limits, to an outcome."""

import contextvars
import inspect
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus
from pydantic_core import PydanticSerializationError, to_json

from apps.breakers.api import CircuitOpen
from apps.core import context, reporting, tracing
from apps.jobs import outcomes, redacting
from apps.jobs.errors import LostClaim
from apps.jobs.outcomes import Limits, Outcome, Settlement
from apps.jobs.registry import Kind
from apps.jobs.running import current, parking
from apps.jobs.running.claim import ClaimedJob
from apps.jobs.running.coroutines import run_within
from apps.jobs.running.finish import settle_and_follow_up
from apps.jobs.running.limits import SoftLimit
from apps.jobs.running.settle import Entry, Settled
from apps.jobs.states import Verb

logger = logging.getLogger(__name__)

_NO_FAILURE = (outcomes.Snooze, outcomes.Cancelled, CircuitOpen)


class TransactionLeftOpen(Exception):
    """The handler returned inside of a transaction: what it wrote was not committed."""

    def __init__(self) -> None:
        super().__init__("the handler left a database transaction open; it was rolled back")


@dataclass(slots=True)
class Run:
    """One job on its way through this process; `settled` is set once it is written."""

    job: ClaimedJob
    kind: Kind
    claim_id: UUID
    claimed_at: float
    started_at: float = 0.0
    ended_at: float = 0.0
    outcome: Outcome | None = None
    error: BaseException | None = None
    settled: Settled | None = None
    _entry: Entry | None = None

    @property
    def is_cut_short(self) -> bool:
        """Whether its handler started and nobody can say how it ended."""
        return self.started_at > 0 and self.outcome is None

    def entry(self) -> Entry:
        """Return what settle writes for this run: decided once, also where chance decides."""
        if self._entry is None or self._entry.outcome is not self.outcome:
            self._entry = self._make_entry()
        return self._entry

    def _make_entry(self) -> Entry:
        outcome = self.outcome or outcomes.released("its doorbell's time was used up")
        started = outcome.verb is not Verb.RELEASE
        return Entry(
            self.job.id,
            self.claim_id,
            self._decide(outcome),
            outcome,
            started=self.started_at - self.claimed_at if started else None,
            seconds=self.ended_at - self.started_at if started else None,
            silent=self.job.silent,
        )

    def _decide(self, outcome: Outcome) -> Settlement:
        job = self.job
        limits = Limits(job.failures, job.losses, job.max_attempts, self.kind.max_losses)
        return outcomes.decide(outcome, limits, self.kind.retry, attempt=job.attempt)


def perform(run: Run) -> None:
    """Run the handler; afterwards `run.outcome` is set, for a transactional kind settled too."""
    run.started_at = run.ended_at = time.monotonic()
    process = os.getpid()
    connected = _connected()
    ours = _open_transactions(connected)
    try:
        with _bound(run):
            if tracing.is_on():
                with _traced(run):
                    contextvars.copy_context().run(_perform, run)
            else:
                contextvars.copy_context().run(_perform, run)
        connected = _connected()
        if _open_transactions(connected) - ours:
            raise TransactionLeftOpen
    except KeyboardInterrupt:
        raise  # of this process, not of this job
    except BaseException as error:  # every ending is an outcome
        run.error = error
        run.outcome = _observe(error, run)
    finally:
        _leave_if_forked(process, run.error)
        run.ended_at = max(run.ended_at, time.monotonic())
        _tidy_connections(run.error, ours, connected if run.error is None else _connected())


def _bound(run: Run) -> AbstractContextManager[None]:
    """Give every log line of the run what to find it by."""
    return context.bind(
        job_id=str(run.job.id),
        kind=run.kind.name,
        attempt=str(run.job.attempt),
        correlation_id=run.job.correlation_id,
    )


def _traced(run: Run) -> AbstractContextManager[object]:
    """Make the run a span of the trace that the job was enqueued in."""
    return tracing.span(
        f"run {run.kind.name}",
        "consumer",
        parent=run.job.trace,
        expected=_NO_FAILURE,
        hide=redacting.veil_of(run.kind, run.job.args).text,
        celeriac__job_id=str(run.job.id),
        celeriac__attempt=run.job.attempt,
        celeriac__correlation_id=run.job.correlation_id,
    )


def _perform(run: Run) -> None:
    current.enter(current.CurrentJob(run.job, run.claim_id))
    if run.kind.redact:
        context.hide(redacting.veil_of(run.kind, run.job.args).text)
    handler = _bind(run)
    if run.kind.transactional:
        _perform_in_transaction(run, handler)
    else:
        run.outcome = _returned(_call(handler, run.kind.timeout))
    run.ended_at = time.monotonic()


def _perform_in_transaction(run: Run, handler: Callable[[], Any]) -> None:
    with transaction.atomic():
        outcome = _returned(_call(handler, run.kind.timeout))
        run.outcome, run.ended_at = outcome, time.monotonic()
        (settled,) = settle_and_follow_up([run.entry()])
        if settled.refused:
            raise LostClaim(f"Job {run.job.id} is no longer this run's; its effects roll back.")
    run.settled = settled


def _bind(run: Run) -> Callable[[], Any]:
    arguments = run.kind.schema.load(run.job.args)
    return lambda: run.kind.handler(**arguments)


def _call(handler: Callable[[], Any], limit: float | None) -> Any:  # noqa: ANN401 the handler's own
    """Call the handler within its soft limit; await what it returns where that is an awaitable."""
    value = SoftLimit(limit).call(handler)
    return run_within(limit, value) if inspect.isawaitable(value) else value


def _returned(value: object) -> Outcome:
    """The handler has done its work, so a result that can't be kept is dropped, not a failure."""
    problem = ""
    text: str | None = None
    if value is not None:
        try:
            text = to_json(value, inf_nan_mode="null").decode()
        except (PydanticSerializationError, ValueError) as error:
            problem = f"its result was dropped, it is not JSON: {error}"
    if text is not None and len(text) > settings.JOBS_MAX_RESULT_BYTES:
        problem = f"its result was dropped: {len(text)} bytes is over JOBS_MAX_RESULT_BYTES"
    elif text is not None and "\\u0000" in text:
        problem = "its result was dropped: PostgreSQL keeps no NUL characters"
    if problem:
        logger.error("%s", problem)
        return replace(outcomes.succeeded(None), message=problem)
    return outcomes.succeeded(text)


def _observe(error: BaseException, run: Run) -> Outcome:
    """Return what the error makes of the run; one that can't be read is a failure all the same."""
    try:
        return _judge(error, run)
    except Exception as broken:
        words = f"{type(error).__qualname__} can't be read ({type(broken).__name__})"
        logger.error("what job %s raised is lost: %s", run.job.id, words)
        return outcomes.observe(TypeError(words), run.kind.retry)


def _judge(error: BaseException, run: Run) -> Outcome:
    hide = redacting.veil_of(run.kind, run.job.args).text
    if run.outcome is not None and isinstance(error, OperationalError | InterfaceError):
        # The handler had ended well: the database failed at its commit, which is not its fault.
        # Should the commit have happened after all, the fence refuses what is written now.
        # (A deferred constraint, or a transaction that the handler broke, is its fault.)
        reason = hide(f"its commit failed: {error}")[:200]
        return Outcome(Verb.SNOOZE, delay=1.0, reason=reason)
    if isinstance(error, CircuitOpen):
        return parking.parked(error, run.kind)
    outcome = outcomes.observe(error, run.kind.retry, hide=hide)
    if outcome.error_class:
        logger.warning("%s failed: %s", run.kind.name, outcomes.error_line(outcome))
        _report(error, run, outcome, hide)
    return outcome


def _connected() -> Sequence[BaseDatabaseWrapper]:
    return connections.all(initialized_only=True)


def _report(error: BaseException, run: Run, outcome: Outcome, hide: Callable[[str], str]) -> None:
    """Tell of a failure; as a warning while the job will be tried again."""
    final = run._decide(outcome).verb is Verb.GIVE_UP
    with _bound(run):
        reporting.report(
            error, level="error" if final else "warning", hide=hide, tags=context.current()
        )


def _open_transactions(connected: Sequence[BaseDatabaseWrapper]) -> set[str]:
    """Return the databases with an atomic block open: before a handler, a test's own."""
    return {each.alias for each in connected if each.in_atomic_block}


def _leave_if_forked(process: int, error: BaseException | None) -> None:
    """End a fork that came out of its handler: only the process that claimed may go on."""
    if os.getpid() != process:
        code = error.code if isinstance(error, SystemExit) else 1 if error else 0
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _tidy_connections(
    error: BaseException | None, ours: set[str], connected: Sequence[BaseDatabaseWrapper]
) -> None:
    """Throw away every connection that is not idle and in autocommit, or that a limit cut."""
    cut = isinstance(error, outcomes.TimeLimitExceeded | LostClaim)
    for connection in connected:
        if connection.alias in ours or connection.connection is None:
            continue  # a test's own transaction, or nothing to tidy
        left_open = connection.in_atomic_block or not connection.autocommit
        if cut or left_open or not _is_idle(connection.connection):
            connection.in_atomic_block = False  # or it could never be opened again
            connection.close()


def _is_idle(raw: Any) -> bool:  # noqa: ANN401 of any driver
    pgconn = getattr(raw, "pgconn", None)
    return pgconn is None or pgconn.transaction_status == TransactionStatus.IDLE
