"""How a run ended, and what that makes of the job. Pure: deciding is not writing.

A handler returns, or raises one of `Snooze`, `GiveUp`, `Retry`, `Cancelled`, or an error;
`observe_error` turns that into an `Outcome`, and deciding.py an outcome into a `Settlement`,
which settle.py writes as it stands.
"""

import contextlib
import math
import re
import traceback as tracebacks
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from celeriac.core.arguments import LONGEST
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.losses import Loss
from celeriac.jobs.states import Verb

#: Why a run was cut short that its worker's stop ended.
STOPPED = "its worker was stopped (deploy)"
SNOOZED = "snoozed by its handler"
OVERRAN = "ran past its hard limit and was killed"
#: What is said of a run that had begun, and is not started again unasked.
UNDECIDED = "it may have happened, and is not run again unasked: decide"
MAX_TRACEBACK = 16_000
MAX_MESSAGE = 2_000
#: From this run in a row on, one that lost the database's connection is a failure.
MOST_CUTS = 3
#: What PostgreSQL's text can't hold.
_UNFIT = re.compile("[\x00\ud800-\udfff]")


def _span(name: str, seconds: float) -> float:
    if not math.isfinite(seconds):
        raise ValueError(f"{name}({seconds!r}): give a finite number of seconds.")
    return min(max(0.0, float(seconds)), LONGEST)


class Snooze(Exception):
    """Run me again in `seconds`, cut to ten years; nothing failed.

    Raises:
        ValueError: `seconds` is infinite or no number.
    """

    def __init__(self, seconds: float, reason: str = SNOOZED) -> None:
        super().__init__(reason)
        self.seconds = _span("Snooze", seconds)
        self.reason = str(reason)


class GiveUp(Exception):
    """This can't succeed, however often it runs."""

    def __init__(self, reason: str = "given up by its handler") -> None:
        super().__init__(reason)
        self.reason = reason


class Retry(Exception):
    """This run failed; run me again in `seconds`, or by the kind's Backoff where None.

    It counts as a failure like any other, under the name of its `cause` where there is one,
    and is retried whatever the Backoff retries on, up to `max_attempts`.

    Raises:
        ValueError: `seconds` is infinite or no number.
        TypeError: `cause` is no error.
    """

    #: What the next run finds changed in its row: `args`, `queue`, `priority`, `headers`, `result`.
    changes: Mapping[str, Any] | None = None
    #: The job's `max_attempts`, as far as this run is asked.
    max_attempts: int | None = None

    def __init__(self, seconds: float | None = None, cause: BaseException | None = None) -> None:
        if cause is not None and not isinstance(cause, BaseException):
            raise TypeError(f"Retry(cause={cause!r}): give the error itself, or nothing.")
        super().__init__("asked to be run again" if cause is None else _words(cause))
        self.seconds = None if seconds is None else _span("Retry", seconds)
        self.cause = cause


class Cancelled(Exception):
    """The handler stopped because it was asked to."""


class TimeLimitExceeded(Exception):
    """The handler ran past its soft limit."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended: a verb of states.py and its facts."""

    verb: Verb
    result: Any = None
    delay: float = 0.0
    reason: str = ""
    error_class: str = ""
    message: str = ""
    traceback: str = ""
    retryable: bool = True
    retry_after: float | None = None
    #: Seconds to wait before the next run, instead of what the Backoff says.
    retry_in: float | None = None
    #: The open circuit that a snoozed run met: while it stays open, the job keeps its run_at.
    circuit: str = ""
    #: Whether its worker's stop, or a neighbour, cut it short: an Attempt row, and no charge.
    stopped: bool = False
    #: Runs in a row, this one included, that lost the database's connection though it could be
    #: had again at once; None where nobody could have it: the row's own count stays.
    cuts: int | None = 0
    #: What took its process along.
    loss: Loss | None = None
    #: Columns of its row that its next run finds changed, as `Retry` gave them.
    changes: Mapping[str, Any] | None = None
    #: What `max_attempts` is for this run, where it says so itself.
    max_attempts: int | None = None


@dataclass(slots=True)
class Settlement:
    """What settle.py writes; a requested cancel is applied by the statement itself."""

    verb: Verb
    delay: float = 0.0
    failures: int = 0  # added
    losses: int = 0  # added
    result: Any = None
    error: str = ""
    wait_reason: str = ""
    circuit: str = ""
    cuts: int | None = 0  # what the row's count becomes; None: it stays
    #: Whether there is an Attempt row, and its words.
    writes_attempt: bool = False
    error_class: str = ""
    message: str = ""
    traceback: str = ""
    #: JSON: columns of its row that change with it.
    changes: str | None = None
    #: Seconds from claim to start, and from start to end, on one machine's clock.
    started: float | None = None
    seconds: float | None = None


_UNSTARTED = Settlement(Verb.RELEASE, wait_reason="its doorbell's time was used up", cuts=None)
#: The handler returned nothing.
SUCCEEDED = Outcome(Verb.COMPLETE)


def unstarted() -> Settlement:
    """Return what is written of a run that never started: its job goes back at once.

    All share one, which nobody changes.
    """
    return _UNSTARTED


def succeeded(result: object) -> Outcome:
    """The handler returned `result`, a JSON value."""
    return Outcome(Verb.COMPLETE, result=result)


def released(reason: str, *, delay: float = 0.0) -> Outcome:
    """The job was claimed but not started; it is due in `delay` seconds, 0 meaning as before."""
    return Outcome(Verb.RELEASE, reason=reason, delay=delay)


def stopped(delay: float = 0.0, reason: str = "") -> Outcome:
    """The run was cut short by the stop of its worker; `reason` is what its handler says of it."""
    words = STOPPED if reason in ("", SNOOZED) else f"{STOPPED}: {reason}"
    return Outcome(Verb.SNOOZE, delay=delay, reason=words, message=words, stopped=True)


def cut_off(reason: str) -> Outcome:
    """A neighbour's fault ended the run's process: no charge."""
    return Outcome(Verb.SNOOZE, reason=reason, message=reason, stopped=True, cuts=None)


def loss(reason: str, what: Loss = Loss.WORKER) -> Outcome:
    """The run ended with its process, which `what` took along."""
    return Outcome(Verb.RESCUE, error_class="WorkerLost", message=reason, reason=reason, loss=what)


def observe_error(
    error: BaseException, retry: Backoff, *, redact: Callable[[str], str] = str
) -> Outcome:
    """Return the outcome of a handler that raised `error`; `redact` redacts its texts."""
    if isinstance(error, Snooze):
        reason = _clip(redact(error.reason), MAX_MESSAGE)
        return Outcome(Verb.SNOOZE, delay=error.seconds, reason=reason)
    if isinstance(error, Cancelled):
        message = _clip(redact(_words(error)), MAX_MESSAGE)
        return Outcome(Verb.STOP, message=message or "stopped on request")
    if isinstance(error, Retry):
        named = error.cause or error
        return replace(
            _failure(named, retry, redact),
            retryable=True,
            retry_in=error.seconds,
            changes=error.changes,
            max_attempts=error.max_attempts,
        )
    return _failure(error, retry, redact)


def _failure(error: BaseException, retry: Backoff, redact: Callable[[str], str]) -> Outcome:
    gave_up = isinstance(error, GiveUp)
    return Outcome(
        Verb.GIVE_UP if gave_up else Verb.RETRY,
        error_class=_name(error),
        message=_clip(redact(_words(error)), MAX_MESSAGE),
        traceback=_clip(redact("".join(tracebacks.format_exception(error))), MAX_TRACEBACK),
        retryable=not gave_up and retry.retries(error),
        retry_after=retry_after(error),
    )


def retry_after(error: BaseException) -> float | None:
    """Return the seconds that the error asks to wait, where it says."""
    seconds = -1.0
    with contextlib.suppress(BaseException):  # whoever wrote the error, its wish is only a wish
        value = getattr(error, "retry_after", None)
        seconds = -1.0 if value is None else float(value)
    return seconds if 0 <= seconds < float("inf") else None


def error_line(outcome: Outcome) -> str:
    """Return the error as one line: `ValueError: no such customer`."""
    text = f"{outcome.error_class}: {outcome.message}".strip(": ")
    return _clip(" ".join(text.split()), 500)


def _name(error: BaseException) -> str:
    kind = type(error)
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:  # an error that can't say what it is must still be counted
        return f"its text can't be had ({type(broken).__name__})"


def _clip(text: str, limit: int) -> str:
    text = _UNFIT.sub("�", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
