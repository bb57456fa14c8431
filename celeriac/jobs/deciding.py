"""Deciding: what the outcome of a run makes of its job. Pure: deciding is not writing."""

import json
from dataclasses import replace

from celeriac.jobs.backoff import Backoff
from celeriac.jobs.outcomes import UNDECIDED, Outcome, Settlement, error_line
from celeriac.jobs.registry import Kind
from celeriac.jobs.states import Verb


def decide_settlement(
    outcome: Outcome, kind: Kind, attempt: int, failures: int, losses: int, max_attempts: int
) -> Settlement:
    """Return what the outcome makes of a job whose row has these counts."""
    match outcome.verb:
        case Verb.COMPLETE:
            return Settlement(
                Verb.COMPLETE,
                result=outcome.result,
                writes_attempt=attempt > 1,
                message=outcome.message,
            )
        case Verb.SNOOZE | Verb.RELEASE:
            return Settlement(
                outcome.verb,
                delay=outcome.delay,
                wait_reason=outcome.reason,
                circuit=outcome.circuit,
                writes_attempt=outcome.stopped,
                message=outcome.message,
                cuts=None if outcome.verb is Verb.RELEASE else outcome.cuts,
            )
        case Verb.STOP:
            error, message = outcome.message, outcome.message
            return Settlement(Verb.STOP, error=error, writes_attempt=True, message=message)
        case Verb.RESCUE:
            return _after_loss(outcome, kind, losses + 1)
        case _:
            most = max_attempts if outcome.max_attempts is None else outcome.max_attempts
            return _after_failure(outcome, kind.retry, failures + 1, most)


def _after_loss(outcome: Outcome, kind: Kind, losses: int) -> Settlement:
    if outcome.loss not in kind.runs_again:
        message = f"{outcome.message}: {UNDECIDED}"
        return _charged(replace(outcome, message=message), Verb.GIVE_UP, losses=1)
    if losses >= kind.max_losses:
        return _charged(outcome, Verb.GIVE_UP, losses=1)
    return _charged(outcome, Verb.RESCUE, losses=1, delay=kind.loss_delay)


def _after_failure(
    outcome: Outcome, retry: Backoff, failures: int, max_attempts: int
) -> Settlement:
    if not outcome.retryable or failures >= max_attempts:
        return _charged(outcome, Verb.GIVE_UP, failures=1, cuts=outcome.cuts)
    delay = outcome.retry_in
    if delay is None:
        delay = retry.delay(failures, retry_after=outcome.retry_after)
    return _charged(outcome, Verb.RETRY, failures=1, delay=delay, cuts=outcome.cuts)


def _charged(
    outcome: Outcome,
    verb: Verb,
    *,
    failures: int = 0,
    losses: int = 0,
    delay: float = 0.0,
    cuts: int | None = 0,
) -> Settlement:
    return Settlement(
        verb,
        delay=delay,
        failures=failures,
        losses=losses,
        cuts=cuts,
        error=error_line(outcome),
        writes_attempt=True,
        error_class=outcome.error_class,
        message=outcome.message,
        traceback=outcome.traceback,
        changes=None if outcome.changes is None else json.dumps(outcome.changes),
    )
