"""A circuit breaker: pybreaker's, over our storage, without a lock around the call.

How many calls reach a provider that is down: every call asks the store first, so
none starts after the trip. A provider that answers nothing any more trips it with
failure `min_volume` since the last success, however many calls had succeeded
before; one that fails in part, when the last `window_calls` calls (or those of the
last `window` seconds, where these are fewer) hold `failure_rate` of failures. So
at most `min_volume` calls, those in flight when the last of them is reported (one
per thread that calls), and one probe per cooldown meet a whole outage. Successes
that processes have not reported yet (they ride on each process's next call, so that
a call on a closed circuit costs one round trip) are counted as of when they were;
once failures are known, a success is reported at once. While the store is away each
process counts for itself: `min_volume` per process until the first one's trip is
read from the database, which the others do every second.
"""

import functools
import inspect
import logging
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pybreaker

from celeriac.breakers.classify import judge_error, judge_from
from celeriac.breakers.errors import CircuitOpen
from celeriac.breakers.replies import ADMITTED, BreakerState, CallResult, Reply, Report, Verdict
from celeriac.breakers.storage import BreakerStorage
from celeriac.core import context

logger = logging.getLogger(__name__)

#: `retry_after` of a circuit that is forced open without an end, in seconds.
ENDLESS = 60.0
#: The longest `retry_after` while another call is the probe, in seconds.
PROBE_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Admission:
    """One admitted call."""

    version: int
    token: str
    probe: bool
    counted: bool
    started: float
    failing: bool


class SharedBreaker(pybreaker.CircuitBreaker):
    """One named breaker. Safe for threads; any number of calls run at the same time.

    Listeners are pybreaker's, told in the process where things happen; an error
    in one is logged.
    """

    def __init__(self, name: str, storage: BreakerStorage) -> None:
        options = storage.options
        self._storage = storage
        self._judge = judge_from(options.provider_fault)
        super().__init__(
            fail_max=options.min_volume,
            reset_timeout=options.cooldown,
            success_threshold=options.probes,
            state_storage=storage,
            name=name,
            throw_new_error_on_trip=False,
        )

    def call[**P, T](self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `func`; raises CircuitOpen when it was not called, else what `func` raised."""
        with self.calling():
            return func(*args, **kwargs)

    def calling(self) -> AbstractContextManager[None]:  # type: ignore[override]  # no generator
        """Return a context manager that guards its block; entering raises CircuitOpen."""
        return GuardedCall(self)

    def __call__[**P, T](self, func: Callable[P, T]) -> Callable[P, T]:  # type: ignore[override]  # no Tornado
        """Return `func` guarded."""
        refuse_deferred(func)

        @functools.wraps(func)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            return self.call(func, *args, **kwargs)

        return guarded

    def enter(self) -> Admission:
        """Ask for admission; raises CircuitOpen."""
        token = uuid.uuid4().hex
        reply = self._storage.acquire(token)
        self._tell_state()
        if reply.verdict not in ADMITTED:
            raise self._refusal(reply)
        for listener in self.listeners:
            self._tell(listener.before_call, self, None)
        return Admission(
            version=reply.version,
            token=token,
            probe=reply.verdict is Verdict.PROBE,
            counted=reply.verdict is not Verdict.FORCED_CLOSED,
            started=time.monotonic(),
            failing=reply.in_a_row > 0,
        )

    def leave(self, admission: Admission, error: BaseException | None) -> None:
        """Report what an admitted call found. Raises nothing of its own."""
        seconds = time.monotonic() - admission.started
        judgement = judge_error(error, self._fault)
        finding = judgement.finding
        slow = judgement.slow or seconds >= self._storage.options.slow_call
        if admission.counted and (admission.probe or finding is not CallResult.NOTHING):
            report = Report(
                version=admission.version,
                token=admission.token,
                probe=admission.probe,
                finding=finding,
                slow=slow and finding is not CallResult.NOTHING,
                open_for=judgement.open_for,
                ends_a_row=admission.failing,
            )
            asked = f"asked to wait {judgement.open_for:g} s" if judgement.open_for else ""
            self._storage.report(report, reason=asked, error=_line(error))
        self._tell_state()
        for listener in self.listeners:
            if finding is CallResult.FAULT:
                self._tell(listener.failure, self, error)
            elif finding is CallResult.OK:
                self._tell(listener.success, self)

    def is_system_error(self, exception: BaseException) -> bool:
        """Whether `exception` is the provider's fault."""
        return judge_error(exception, self._fault).finding is CallResult.FAULT

    def open(self) -> bool:
        """Open the circuit for a cooldown."""
        self._storage.move(BreakerState.OPEN, reason="opened by hand")
        return False

    def half_open(self) -> None:
        """Let the next call be the probe."""
        self._storage.move(BreakerState.HALF_OPEN, reason="half-opened by hand")

    def close(self) -> None:
        self._storage.move(BreakerState.CLOSED, reason="closed by hand")

    @property  # type: ignore[misc]  # moves are verbs, not assignments
    def state(self) -> pybreaker.CBStateType:
        """The state as this process last saw it, as one of pybreaker's objects."""
        self._tell_state()
        return self._state

    @property
    def storage(self) -> BreakerStorage:
        """Where the state lives."""
        return self._storage

    def _fault(self, error: BaseException) -> bool | None:
        """Judge by the option, and by pybreaker's excluded exceptions; never raise."""
        try:
            if self.excluded_exceptions and not super().is_system_error(error):
                return False
            return self._judge(error)
        except Exception:
            logger.exception("provider_fault of breaker %s failed; counting a fault.", self.name)
            return True

    def _refusal(self, reply: Reply) -> CircuitOpen:
        name, wait = str(self.name), reply.wait
        if reply.verdict is Verdict.FORCED_OPEN:
            return CircuitOpen(
                f"The circuit {name!r} is forced open by an operator; nothing was sent.",
                name=name,
                retry_after=ENDLESS if wait < 0 else wait,
                endless=wait < 0,
            )
        if reply.verdict is Verdict.HELD:
            return CircuitOpen(
                f"The circuit {name!r} is half-open and another call is its probe; "
                "nothing was sent.",
                name=name,
                retry_after=min(wait, PROBE_PATIENCE),
            )
        return CircuitOpen(name=name, retry_after=wait)

    def _tell_state(self) -> None:
        """Let listeners know of a move that this process made or noticed, once."""
        name = self._storage.state
        if name == self._state.name:
            return
        with self._lock:
            old = self._state
            if name == old.name:
                return
            self._state = self._create_new_state(name, prev_state=old)
        for listener in self.listeners:
            self._tell(listener.state_change, self, old, self._state)

    def _tell(self, listener: Callable[..., Any], *args: Any) -> None:
        try:
            listener(*args)
        except Exception:
            logger.exception("A listener of breaker %s failed.", self.name)


class GuardedCall(AbstractContextManager[None]):
    """One guarded block. The permit of a probe is returned however the block ends."""

    def __init__(self, breaker: SharedBreaker) -> None:
        self._breaker = breaker
        self._ticket: Admission | None = None

    def __enter__(self) -> None:
        self._ticket = self._breaker.enter()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        admission, self._ticket = self._ticket, None
        if admission is not None:
            self._breaker.leave(admission, error)


def refuse_deferred(func: Callable[..., Any]) -> None:
    """Raise TypeError for a function whose work happens after it returned."""
    if inspect.iscoroutinefunction(func) or inspect.isgeneratorfunction(func):
        raise TypeError(
            f"{func.__qualname__} does its work after it returns; guard the calls inside it."
        )


def _line(error: BaseException | None) -> str:
    """Return the error in a line, without what may not leave the job that makes the call."""
    if error is None:
        return ""
    text = context.redacted_text(f"{type(error).__name__}: {error}")
    return " ".join(text.split())[:500].replace("\x00", "")
