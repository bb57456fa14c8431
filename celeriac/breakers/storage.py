"""Where a breaker's state lives: the shared store, this process when that is away, the database.

How quickly others see a move: every process with its next call, since each call
asks the store; the dispatcher and claims when the database has it, which is
before the guarded block that caused the move ends (half a second at most if the
database is slow; see database_writer.py if it is away).
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pybreaker
import redis

from celeriac.breakers import durable
from celeriac.breakers.errors import BreakerError
from celeriac.breakers.local import LocalCircuit
from celeriac.breakers.options import Options, breaker_options
from celeriac.breakers.replies import BreakerState, Move, Reply, Report, Snapshot, Verdict
from celeriac.breakers.shared_store import BreakerStore, SharedCircuit, is_quiet

logger = logging.getLogger(__name__)

#: While the store is away, the database is asked this often what others found, in seconds.
FALLBACK_REFRESH = 1.0

_PYBREAKER_NAMES = {
    BreakerState.CLOSED: pybreaker.STATE_CLOSED,
    BreakerState.OPEN: pybreaker.STATE_OPEN,
    BreakerState.HALF_OPEN: pybreaker.STATE_HALF_OPEN,
}
_AWAY = (redis.RedisError, OSError)


class BreakerStorage(pybreaker.CircuitBreakerStorage):
    """One breaker's storage. No method raises because a server is away."""

    def __init__(self, name: str, store: BreakerStore) -> None:
        super().__init__(name)
        self._store = store
        self._shared = SharedCircuit(name, store)
        self._local = LocalCircuit(name)
        self._declared = breaker_options(name)
        self._known = Snapshot()
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self.options: Options = self._declared

    def acquire(self, token: str) -> Reply:
        """Ask to make a call; a probe's permit is taken in the store and in the database."""
        reply = self._run(
            lambda: self._shared.acquire(self.options, token),
            lambda: self._local.acquire(self.options, token),
        )
        self._write_down(reply, wait=0.0)
        if reply.verdict is not Verdict.PROBE:
            return reply
        if durable.take_permit(self.name, token, self.options.permit):
            return reply
        # Another process is the probe: one that sees the store while we don't, or the reverse.
        self._local.adopt(durable.read_breaker(self.name) or Snapshot())
        return Reply(Verdict.HELD, version=reply.version, state=reply.state, wait=1.0)

    def report(self, report: Report, *, reason: str = "", error: str = "") -> Reply:
        """Say what a call found; a quick success waits for the next operation."""
        if is_quiet(report) and not self._store.muted:
            self._shared.note_success(report.version)
            return Reply(Verdict.DONE, version=report.version)
        reply = self._run(
            lambda: self._shared.report(self.options, report),
            lambda: self._local.report(self.options, report),
        )
        self._write_down(reply, reason=reason, error=error, wait=durable.WAIT)
        if report.probe:
            durable.free_permit(self.name, report.token)
        return reply

    def move(self, to: BreakerState, *, reason: str = "") -> Reply:
        """Move the circuit by hand: open for a cooldown, closed, or half-open."""
        reply = self._run(
            lambda: self._shared.move(self.options, to), lambda: self._local.move(self.options, to)
        )
        self._write_down(reply, reason=reason, wait=durable.WAIT)
        return reply

    def sync(self, *, wait: float = durable.WAIT) -> Snapshot:
        """Bring store, database and this process to the newest of what they know; return it.

        A store that was emptied is seeded here, so that it closes no circuit.
        """
        known = durable.read_breaker(self.name, wait=wait)
        self._learn(known)
        best = _newest(known or self._known, self._local.snapshot())
        if not self._store.muted:
            try:
                held = self._shared.sync(self.options, best) or best
            except _AWAY as error:
                self._lose_store(error)
            else:
                self._learn(held)
                self._tell_database(known, held)
                return held
        return best

    def peek(self) -> Snapshot:
        """Return what the store knows, or this process when the store is away."""
        if not self._store.muted:
            try:
                return self._shared.sync(self.options) or self.sync()
            except _AWAY as error:
                self._lose_store(error)
        return self.sync(wait=durable.WAIT)

    @property  # type: ignore[misc]  # moves are operations of the store, not assignments
    def state(self) -> str:
        """The state as this process last saw it, in pybreaker's words."""
        return _PYBREAKER_NAMES[self._local.snapshot().state]

    @property
    def counter(self) -> int:
        """Failures in the window."""
        return self.peek().failures

    @property
    def success_counter(self) -> int:
        """Successes in the window."""
        seen = self.peek()
        return seen.calls - seen.failures

    @property  # type: ignore[misc]  # likewise
    def opened_at(self) -> datetime | None:
        """When the circuit opened, None while it is closed."""
        seen = self._local.snapshot()
        if seen.state is BreakerState.CLOSED:
            return None
        return datetime.now(UTC) - timedelta(seconds=seen.changed_ago)

    def _run(self, shared: Callable[[], Reply], local: Callable[[], Reply]) -> Reply:
        if not self._store.muted:
            try:
                reply = shared()
                if reply.verdict is Verdict.EMPTY:
                    self.sync()
                    reply = shared()
                if reply.verdict is not Verdict.EMPTY:
                    self._notice(reply)
                    return reply
            except _AWAY as error:
                self._lose_store(error)
        self._read_database()
        return local()

    def _lose_store(self, error: Exception) -> None:
        self._store.mute()
        logger.warning("The breakers' store is away, %s guards by itself: %s", self.name, error)

    def _notice(self, reply: Reply) -> None:
        """Remember what the store said, in case it goes away."""
        if reply.edit > self._known.edit:
            self._learn(self._shared.sync(self.options))
        tells = reply.verdict in (Verdict.OPEN, Verdict.DONE)
        open_for = reply.wait if tells and reply.state is BreakerState.OPEN else 0.0
        self._local.adopt(
            Snapshot(
                version=reply.version, state=reply.state, open_for=open_for, opened=reply.opened
            ),
            in_a_row=reply.in_a_row,
        )
        if reply.due:
            threading.Thread(target=self.sync, name="breakers-sync", daemon=True).start()

    def _read_database(self) -> None:
        """Learn what other processes wrote, at most once a second."""
        with self._lock:
            now = time.monotonic()
            first = self._asked_at == float("-inf")
            if now - self._asked_at < FALLBACK_REFRESH:
                return
            self._asked_at = now
        self._learn(durable.read_breaker(self.name, wait=durable.WAIT if first else 0.1))

    def _learn(self, known: Snapshot | None) -> None:
        if known is None:
            return
        self._local.adopt(known)
        with self._lock:
            if known.edit <= self._known.edit:
                return
            self._known = known
            try:
                self.options = self._declared.using(known.options)
            except (BreakerError, TypeError):
                logger.exception("The overrides of breaker %s do not fit.", self.name)
                self.options = self._declared

    def _write_down(self, reply: Reply, *, wait: float, reason: str = "", error: str = "") -> None:
        if not reply.moved_from:
            return
        move = Move(
            name=self.name,
            version=reply.version,
            old=reply.moved_from,
            new=reply.state,
            opened=reply.opened,
            open_for=reply.wait if reply.state is BreakerState.OPEN else 0.0,
            calls=reply.calls,
            failures=reply.failures,
            slow=reply.slow,
            reason=reason or _reason(reply, self.options),
            by=f"{socket.gethostname()}:{os.getpid()}",
            error=error,
            made_at=time.monotonic(),
        )
        durable.record_move(move, wait=wait)

    def _tell_database(self, known: Snapshot | None, held: Snapshot) -> None:
        """Write a move whose process died before it could; recent ones are on their way."""
        if known is None or held.version <= known.version or held.changed_ago < durable.WAIT * 4:
            return
        durable.record_move(
            Move(
                name=self.name,
                version=held.version,
                old=known.state,
                new=held.state,
                opened=held.opened,
                open_for=held.open_for + held.changed_ago,
                reason="found in the store",
                by=f"{socket.gethostname()}:{os.getpid()}",
                ago=held.changed_ago,
                made_at=time.monotonic(),
            ),
            wait=0.0,
        )


def _newest(known: Snapshot, own: Snapshot) -> Snapshot:
    """Return the newer circuit, with what operators said."""
    if own.version <= known.version:
        return known
    names = ("version", "state", "open_for", "opened", "changed_ago")
    return replace(known, **{name: getattr(own, name) for name in names})


def _reason(reply: Reply, options: Options) -> str:
    if reply.state is BreakerState.CLOSED:
        return "the probe succeeded"
    if reply.state is BreakerState.HALF_OPEN:
        return "the cooldown is over"
    if reply.in_a_row >= options.min_volume:
        return f"nothing came back: {reply.in_a_row} failures since the last success"
    return f"{reply.failures} of {reply.calls} calls failed, {reply.slow} were slow"
