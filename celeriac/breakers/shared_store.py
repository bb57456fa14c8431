"""The store that all processes share: Redis or Valkey, one script per operation.

It holds windows and permits, and a copy of what PostgreSQL knows. Each operation
is one round trip and decides by the store's clock. A success on the closed path
is not reported by a trip of its own: it rides on this process's next operation.
"""

import json
import threading
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from celeriac.breakers.options import Options
from celeriac.breakers.replies import BreakerState, CallResult, Reply, Report, Snapshot
from celeriac.core import broker
from celeriac.settings import conf

PREFIX = "celeriac:breaker:"

_SOURCES = Path(__file__).parent / "lua"
_SCRIPTS = {
    name: "\n".join((_SOURCES / f"{part}.lua").read_text() for part in ("common", name))
    for name in ("acquire", "report", "sync", "move")
}


class BreakerStore:
    """One connection pool to the store, muted for a while after a failure."""

    def __init__(self, url: str, *, timeout: float, mute: float) -> None:
        self._url = url
        self._timeout = timeout
        self._scripts: dict[str, Any] = {}
        self._mute = mute
        self._muted_until = 0.0

    @cached_property
    def client(self) -> redis.Redis:
        """The client; raises redis.RedisError where the address is none."""
        return broker.broker_client(
            self._url,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            # A pooled connection may have died unnoticed: try once more, but never wait twice.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            decode_responses=True,
        )

    @property
    def muted(self) -> bool:
        """Whether there is no store, or it failed so recently that it is not asked."""
        return not self._url or time.monotonic() < self._muted_until

    def mute(self) -> None:
        """Leave the store alone for a while."""
        self._muted_until = time.monotonic() + self._mute

    def run(self, script: str, name: str, *args: str | int) -> Any:
        """Run one script for the breaker `name`; raises redis.RedisError."""
        if not self._scripts:
            made = {each: self.client.register_script(text) for each, text in _SCRIPTS.items()}
            self._scripts = made
        return self._scripts[script](keys=[f"{PREFIX}{{{name}}}"], args=list(args))


def connect_store() -> BreakerStore:
    """Return the store named in settings; nothing is sent yet."""
    return BreakerStore(
        conf.BREAKERS_STORE_URL,
        timeout=conf.BREAKERS_STORE_TIMEOUT,
        mute=conf.BREAKERS_STORE_MUTE_SECONDS,
    )


class SharedCircuit:
    """One breaker in the store. Every method raises redis.RedisError when it is away."""

    def __init__(
        self, name: str, store: BreakerStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._pending = 0
        self._pending_version = 0
        self._pending_at = 0.0

    def acquire(self, options: Options, token: str) -> Reply:
        """Ask to make a call."""
        pending, version, ago = self._take()
        raw = self._store.run("acquire", self.name, options.wire, token, pending, version, ago)
        return Reply.read(raw)

    def report(self, options: Options, report: Report) -> Reply:
        """Say what a call found."""
        pending, version, ago = self._take()
        raw = self._store.run(
            "report",
            self.name,
            options.wire,
            report.version,
            report.token,
            int(report.probe),
            report.finding,
            int(report.slow),
            round(report.open_for * 1000),
            pending if version == report.version else 0,
            ago,
        )
        return Reply.read(raw)

    def note_success(self, version: int) -> None:
        """Remember a quick success; the next operation carries it to the store."""
        with self._lock:
            if version != self._pending_version:
                self._pending, self._pending_version = 0, version
            self._pending += 1
            self._pending_at = self._clock()

    def move(self, options: Options, to: BreakerState) -> Reply:
        """Move the circuit by hand."""
        return Reply.read(self._store.run("move", self.name, options.wire, to))

    def sync(self, options: Options, known: Snapshot | None = None) -> Snapshot | None:
        """Offer what is `known` elsewhere; return what the store knows then, None for nothing."""
        offered = "" if known is None else _encode(known)
        raw = self._store.run("sync", self.name, options.wire, offered)
        return _decode(raw) if raw else None

    def _take(self) -> tuple[int, int, int]:
        """Return the successes not yet counted, their version, and the last one's age in us."""
        with self._lock:
            pending, self._pending = self._pending, 0
            ago = max(0.0, self._clock() - self._pending_at)
            return pending, self._pending_version, round(ago * 1_000_000)


def is_quiet(report: Report) -> bool:
    """Whether the report can wait for the next operation: a quick success on the closed path.

    One that ends a row of failures can't: who counts them must hear of it in time.
    """
    told = report.probe or report.slow or report.open_for or report.ends_a_row
    return report.finding is CallResult.OK and not told


def _encode(known: Snapshot) -> str:
    return json.dumps(
        {
            "version": known.version,
            "state": known.state,
            "open_for": round(known.open_for * 1000),
            "opened": known.opened,
            "forced": known.forced,
            "forced_for": -1 if known.forced_for is None else round(known.forced_for * 1000),
            "reason": known.forced_reason,
            "edit": known.edit,
            "options": json.dumps(dict(known.options)),
            "changed_ago": round(known.changed_ago * 1000),
        }
    )


def _decode(raw: str) -> Snapshot:
    data = json.loads(raw)
    return Snapshot(
        version=int(data["version"]),
        state=BreakerState(data["state"]),
        open_for=data["open_for"] / 1000,
        opened=int(data["opened"]),
        forced=data["forced"],
        forced_for=None if data["forced_for"] < 0 else data["forced_for"] / 1000,
        forced_reason=data["reason"],
        edit=int(data["edit"]),
        options=json.loads(data["options"]),
        changed_ago=data["changed_ago"] / 1000,
        calls=int(data["calls"]),
        failures=int(data["failures"]),
        slow=int(data["slow"]),
        in_a_row=int(data["in_a_row"]),
    )
