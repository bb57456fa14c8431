"""What a run came to: the outcome of what its handler returned, or raised."""

import logging
from collections.abc import Callable
from dataclasses import replace

from django.db import connection
from pydantic_core import PydanticSerializationError, to_json

from celeriac.breakers.api import CircuitOpen
from celeriac.core import context, reporting
from celeriac.jobs import outcomes, redaction
from celeriac.jobs.outcomes import Outcome
from celeriac.jobs.running import outage, parking, sessions
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.setbacks import one_line
from celeriac.jobs.states import Verb
from celeriac.settings import conf

logger = logging.getLogger(__name__)


def labels_of(run: Run) -> dict[str, str]:
    """Return what every log line of the run bears, to find it by."""
    job = run.job
    return {
        "job_id": str(job.id),
        "kind": run.kind.name,
        "attempt": str(job.attempt),
        "correlation_id": job.correlation_id,
    }


def outcome_of_value(value: object) -> Outcome:
    """The handler has done its work: what goes wrong now drops its result, and fails nothing."""
    if value is None:
        return outcomes.SUCCEEDED
    try:
        return _kept(value)
    except Exception as error:
        logger.exception("a result was dropped, it could not be judged")
        problem = f"its result was dropped: {one_line(error)}"
        return replace(outcomes.succeeded(None), message=problem)


def _kept(value: object) -> Outcome:
    problem = ""
    text: str | None = None
    try:
        text = to_json(value, inf_nan_mode="null").decode()
    except (PydanticSerializationError, ValueError) as error:
        problem = f"its result was dropped, it is not JSON: {error}"
    if text is not None and len(text) > conf.MAX_RESULT_BYTES:
        problem = f"its result was dropped: {len(text)} bytes is over MAX_RESULT_BYTES"
    elif text is not None and "\\u0000" in text:
        problem = "its result was dropped: PostgreSQL keeps no NUL characters"
    if problem:
        logger.error("%s", problem)
        return replace(outcomes.succeeded(None), message=problem)
    return outcomes.succeeded(text)


def outcome_of_error(error: BaseException, run: Run, before: sessions.ConnectionsBefore) -> Outcome:
    """Return what the error makes of the run; one that can't be read is a failure all the same."""
    try:
        return _judge(error, run, before)
    except BaseException as broken:  # it says what it likes, the other error's own text
        words = f"{type(error).__qualname__} can't be read ({type(broken).__name__})"
        logger.error("what job %s raised is lost: %s", run.job.id, words)
        return outcomes.observe_error(TypeError(words), run.kind.retry)


def _judge(error: BaseException, run: Run, before: sessions.ConnectionsBefore) -> Outcome:
    redact = redaction.redactor_of(run.kind, run.job.args).text
    if isinstance(error, CircuitOpen):
        return parking.parked_outcome(error, run.kind)
    outcome = outcomes.observe_error(error, run.kind.retry, redact=redact)
    if not outcome.error_class:
        return outcome
    if outage.went_away(error, before.ledger):
        # Should its commit have happened after all, the fence refuses what is written now.
        before.throw_away(connection)
        if not run.kind.fails_on_outage:
            outcome = outage.outcome_of(error, run.job, outcome)
        if outcome.verb is Verb.SNOOZE:
            return outcome
    logger.warning("%s failed: %s", run.kind.name, outcomes.error_line(outcome))
    _report(error, run, outcome, redact)
    return outcome


def _report(error: BaseException, run: Run, outcome: Outcome, redact: Callable[[str], str]) -> None:
    """Tell of a failure; as a warning while the job will be tried again."""
    final = run.judge(outcome).verb is Verb.GIVE_UP
    with context.bind(**labels_of(run)):
        reporting.report_error(
            error, level="error" if final else "warning", redact=redact, tags=context.bound_values()
        )
