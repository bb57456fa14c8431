"""The same circuit in this process's memory: for when the store is away.

It follows lua/*.lua line by line; tests/integration/breakers compares the two.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from celeriac.breakers.options import Options
from celeriac.breakers.replies import BreakerState, CallResult, Reply, Report, Snapshot, Verdict


@dataclass(slots=True)
class _Counts:
    calls: int = 0
    failures: int = 0
    slow: int = 0
    in_a_row: int = 0


@dataclass(slots=True)
class _Run:
    """Calls of one bucket that ended alike."""

    bucket: int
    failed: bool
    slow: bool
    calls: int


@dataclass(slots=True)
class _Circuit:
    version: int = 0
    state: BreakerState = BreakerState.CLOSED
    till: float = 0.0
    opened: int = 0
    token: str = ""
    permit: float = 0.0
    passed: int = 0
    changed: float = 0.0
    forced: str = ""
    forced_until: float | None = None
    edit: int = 0
    #: From the oldest to the newest; failures since the last success.
    runs: list[_Run] = field(default_factory=list)
    in_a_row: int = 0

    def forget(self) -> None:
        """Forget all calls."""
        self.runs.clear()
        self.in_a_row = 0


class LocalCircuit:
    """One breaker as this process sees it; thread-safe."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._st = _Circuit(changed=clock())
        self._moved = ""
        self._seen = _Counts()

    def acquire(self, options: Options, token: str) -> Reply:
        """Ask to make a call."""
        with self._lock:
            now, st = self._begin()
            force = self._forced(now)
            if force == BreakerState.OPEN:
                endless = st.forced_until is None
                return self._reply(
                    Verdict.FORCED_OPEN, -1 if endless else (st.forced_until or now) - now
                )
            if force == BreakerState.CLOSED:
                return self._reply(Verdict.FORCED_CLOSED)
            if st.state is BreakerState.CLOSED:
                return self._reply(Verdict.PASS)
            if st.state is BreakerState.OPEN and now < st.till:
                return self._reply(Verdict.OPEN, st.till - now)
            return self._probe(options, token, now)

    def report(self, options: Options, report: Report) -> Reply:
        """Say what a call found."""
        with self._lock:
            now, st = self._begin()
            if report.probe:
                if st.state is BreakerState.HALF_OPEN and st.token == report.token:
                    self._judge_probe(options, report, now)
            elif (
                report.finding is not CallResult.NOTHING
                and st.state is BreakerState.CLOSED
                and st.version == report.version
            ):
                self._judge_call(options, report, now)
            return self._done(now)

    def move(self, options: Options, to: BreakerState) -> Reply:
        """Move the circuit by hand."""
        with self._lock:
            now, st = self._begin()
            if to is BreakerState.OPEN:
                self._open(options, now, 0.0)
            elif to is not st.state:
                st.till = now if to is BreakerState.HALF_OPEN else 0.0
                st.opened = 0
                self._move(to, now)
            return self._done(now)

    def adopt(self, known: Snapshot, *, in_a_row: int | None = None) -> None:
        """Take over what is newer in `known`, and the store's own count of a row of failures."""
        with self._lock:
            now, st = self._begin()
            if known.version > st.version:
                st.version, st.state, st.opened = known.version, known.state, known.opened
                st.till = 0.0 if st.state is BreakerState.CLOSED else now + known.open_for
                st.changed, st.token, st.permit, st.passed = now - known.changed_ago, "", 0.0, 0
                st.forget()
            if known.edit > st.edit:
                st.edit, st.forced = known.edit, known.forced
                st.forced_until = None if known.forced_for is None else now + known.forced_for
                st.forget()
            if in_a_row is not None:
                st.in_a_row = in_a_row if st.state is BreakerState.CLOSED else 0

    def snapshot(self) -> Snapshot:
        """Return what this process knows."""
        with self._lock:
            now, st = self._begin()
            until = st.forced_until
            return Snapshot(
                version=st.version,
                state=st.state,
                open_for=max(0.0, st.till - now),
                opened=st.opened,
                forced=self._forced(now),
                forced_for=None if until is None else max(0.0, until - now),
                edit=st.edit,
                changed_ago=now - st.changed,
                in_a_row=st.in_a_row,
            )

    def _begin(self) -> tuple[float, _Circuit]:
        self._moved, self._seen = "", _Counts(in_a_row=self._st.in_a_row)
        return self._clock(), self._st

    def _forced(self, now: float) -> str:
        st = self._st
        lasting = st.forced_until is None or now < st.forced_until
        return st.forced if lasting else ""

    def _probe(self, options: Options, token: str, now: float) -> Reply:
        st = self._st
        if st.token and st.token != token and now < st.permit:
            return self._reply(Verdict.HELD, st.permit - now)
        if st.state is BreakerState.OPEN:
            self._move(BreakerState.HALF_OPEN, now)
        st.token, st.permit = token, now + options.permit
        return self._reply(Verdict.PROBE, options.permit)

    def _judge_probe(self, options: Options, report: Report, now: float) -> None:
        st = self._st
        if report.finding is CallResult.FAULT or report.slow:
            self._seen = _Counts(1, int(report.finding is CallResult.FAULT), int(report.slow))
            self._open(options, now, report.open_for)
            return
        st.token, st.permit = "", 0.0
        st.passed += report.finding is CallResult.OK
        if st.passed >= options.probes:
            self._seen = _Counts(st.passed)
            st.till = 0.0
            self._move(BreakerState.CLOSED, now)

    def _judge_call(self, options: Options, report: Report, now: float) -> None:
        st = self._st
        bucket = int(now / (options.window / options.buckets))
        failed = report.finding is CallResult.FAULT
        st.in_a_row = st.in_a_row + 1 if failed else 0
        last = st.runs[-1] if st.runs else None
        if last and (last.bucket, last.failed, last.slow) == (bucket, failed, report.slow):
            last.calls += 1
        else:
            st.runs.append(_Run(bucket, failed, report.slow, 1))
        self._count_window(bucket - options.buckets, options.window_calls)
        seen = self._seen
        if seen.in_a_row >= options.min_volume or (
            seen.calls >= options.min_volume
            and (
                seen.failures >= options.failure_rate * seen.calls
                or seen.slow >= options.slow_rate * seen.calls
            )
        ):
            self._open(options, now, 0.0)
        if report.open_for > 0:
            if st.state is BreakerState.CLOSED:
                self._open(options, now, report.open_for)
            st.till = max(st.till, now + min(report.open_for, options.max_retry_after))

    def _count_window(self, oldest: int, most: int) -> None:
        """Count the newest calls, so many and so young; drop the others."""
        kept: list[_Run] = []
        for run in reversed(self._st.runs):
            run.calls = min(run.calls, most)
            if run.bucket <= oldest or not run.calls:
                break
            most -= run.calls
            kept.append(run)
        self._st.runs = kept[::-1]
        self._seen = _Counts(
            sum(run.calls for run in kept),
            sum(run.calls for run in kept if run.failed),
            sum(run.calls for run in kept if run.slow),
            self._st.in_a_row,
        )

    def _open(self, options: Options, now: float, asked: float) -> None:
        st = self._st
        if st.state is BreakerState.CLOSED and now - st.changed > options.stable:
            st.opened = 0
        if asked > 0:
            st.till = now + min(asked, options.max_retry_after)
        else:
            st.opened += 1
            grown = options.cooldown * options.cooldown_growth ** min(st.opened - 1, 60)
            st.till = now + min(options.max_cooldown, grown)
        self._move(BreakerState.OPEN, now)

    def _move(self, to: BreakerState, now: float) -> None:
        st = self._st
        self._moved = st.state
        st.state, st.version, st.changed = to, st.version + 1, now
        st.token, st.permit = "", 0.0
        if to is not BreakerState.HALF_OPEN:
            st.passed = 0
        st.forget()

    def _done(self, now: float) -> Reply:
        is_open = self._st.state is BreakerState.OPEN
        return self._reply(Verdict.DONE, self._st.till - now if is_open else 0.0)

    def _reply(self, verdict: Verdict, wait: float = 0.0) -> Reply:
        st, seen = self._st, self._seen
        return Reply(
            verdict,
            version=st.version,
            state=st.state,
            wait=wait if wait < 0 else max(0.0, wait),
            edit=st.edit,
            moved_from=self._moved,
            calls=seen.calls,
            failures=seen.failures,
            slow=seen.slow,
            opened=st.opened,
            in_a_row=seen.in_a_row,
        )
