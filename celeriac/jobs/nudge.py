"""Nudges: news for the dispatchers, sent best-effort through the broker's pub/sub.

One message per transaction, after its commit, in at most NUDGE_TIMEOUT_SECONDS or
so; after a failure the sender keeps quiet for NUDGE_MUTE_SECONDS. It never raises: a
lost nudge costs the job one poll of the dispatcher.
"""

import json
import logging
import math
import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import redis
from django.db import connections, transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

from celeriac.core import broker
from celeriac.jobs.open_line import MOST_HANDED, FreshJob, hand_over
from celeriac.settings import conf

logger = logging.getLogger(__name__)

CHANNEL = "celeriac:nudge"
#: Seconds for which nothing is handed over once the broker refused the script.
REFUSED_FOR = 60.0
#: Seconds after its enqueue from which on a commit is told to a dispatcher, too: it would not
#: find what was handed over and got lost (dispatch.LATE).
LATE = 1.0
#: More ids than this in one message are left to the dispatcher's own search.
MOST_IDS = 2_000
#: Bytes of a message that may come from us; keys and names are as long as the ledger lets them be.
LONGEST = 1 << 20
_LONGEST_NAME = 500
#: Epoch seconds from 1970 to 9999.
_LAST_MOMENT = 253_402_300_799.0


@dataclass(slots=True)
class Nudge:
    """What may be worth a look: queues with priority and earliest run_at (epoch), ids, locks."""

    queues: dict[str, dict[int, float]] = field(default_factory=dict)
    ids: set[UUID] = field(default_factory=set)
    locks: set[str] = field(default_factory=set)
    workers: bool = False
    #: Jobs that may go straight to a child that waits: see open_line.py.
    fresh: list[FreshJob] = field(default_factory=list)
    #: Messages may have been missed: look everywhere.
    missed: bool = False
    #: Whose ear this tries, and nothing else: see nudge_listener.py.
    canary: str = ""

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(
            self.queues or self.ids or self.locks or self.workers or self.missed or self.fresh
        )

    def add(self, queue: str, priority: int, run_at: float) -> None:
        """Note that a job of that queue and priority is due at `run_at`."""
        levels = self.queues.setdefault(queue, {})
        levels[priority] = min(run_at, levels.get(priority, run_at))

    def merge(self, other: "Nudge") -> None:
        """Take in another's news."""
        for queue, levels in other.queues.items():
            self.queues.setdefault(queue, {})
            for priority, run_at in levels.items():
                self.add(queue, priority, run_at)
        self.ids |= other.ids
        self.locks |= other.locks
        self.workers |= other.workers
        self.missed |= other.missed
        self.fresh += other.fresh
        if len(self.fresh) > MOST_HANDED:
            self.forget_fresh()

    def without_fresh(self) -> "Nudge":
        """Return what it says beside the jobs that may be handed over."""
        return Nudge(
            {queue: dict(levels) for queue, levels in self.queues.items()},
            self.ids,
            self.locks,
            self.workers,
        )

    def forget_fresh(self) -> None:
        """Have a dispatcher look for the fresh jobs as for all others."""
        for job in self.fresh:
            self.add(job.queue, job.priority, job.run_at)
        self.fresh = []

    def encode(self) -> str:
        """Return the message on the wire."""
        return json.dumps(
            {
                "queues": {name: list(levels.items()) for name, levels in self.queues.items()},
                "ids": [str(job_id) for job_id in list(self.ids)[:MOST_IDS]],
                "locks": sorted(self.locks),
                "workers": self.workers,
                **({"canary": self.canary} if self.canary else {}),
            },
            separators=(",", ":"),
        )

    @classmethod
    def decode(cls, text: str | bytes) -> "Nudge":
        """Return what a message says; ValueError where it is none of ours, in any part."""
        if len(text) > LONGEST:
            raise ValueError(f"a nudge of {len(text)} bytes")
        try:
            return cls._read(json.loads(text))
        except (AttributeError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"no nudge: {error!r}") from error

    @classmethod
    def _read(cls, values: dict[str, Any]) -> "Nudge":
        ids, locks = values.get("ids", ()), values.get("locks", ())
        nudge = cls(
            ids={UUID(job_id) for job_id in ids[:MOST_IDS]},
            locks={_name(lock) for lock in locks},
            workers=bool(values.get("workers")),
            canary=_name(values.get("canary", "")),
        )
        for queue, levels in values.get("queues", {}).items():
            nudge.queues.setdefault(_name(queue), {})
            for priority, run_at in levels:
                nudge.add(queue, _priority(priority), _moment(run_at))
        return nudge


def _name(value: object) -> str:
    """Return a name or key that the ledger could hold; ValueError where it could not."""
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or "\0" in value:
        raise ValueError(f"no name: {value!r:.100}")
    value.encode()  # half a surrogate pair is no text
    return value


def _priority(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -100 <= value <= 100:
        raise ValueError(f"no priority: {value!r:.100}")
    return value


def _moment(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"no time: {value!r:.100}")
    if not (math.isfinite(value) and 0 <= value <= _LAST_MOMENT):
        raise ValueError(f"no time: {value!r:.100}")
    return float(value)


def nudge_after_commit(
    *,
    queue: str,
    priority: int,
    run_at: datetime | float,
    unique_hit: UUID | None = None,
    using: str = "default",
) -> None:
    """Tell the dispatchers, once the open transaction commits, that a job waits.

    `unique_hit` is a queued job whose row the transaction holds: it is rung again.
    """
    moment = run_at.timestamp() if isinstance(run_at, datetime) else float(run_at)
    nudge = Nudge(ids={unique_hit} if unique_hit else set())
    nudge.add(queue, priority, moment)
    _after_commit(nudge, using)


def hand_over_after_commit(job: FreshJob, *, using: str = "default") -> None:
    """Hand the job to a child that waits, once the open transaction commits, or nudge."""
    _after_commit(Nudge(fresh=[job]), using)


def nudge_locks(*, locks: Sequence[str], using: str = "default") -> None:
    """Tell the dispatchers that no running job holds these locks any more."""
    if locks:
        _after_commit(Nudge(locks=set(locks)), using)


def nudge_jobs(*, ids: Sequence[UUID], using: str = "default") -> None:
    """Tell the dispatchers that these jobs are queued again and due."""
    if ids:
        _after_commit(Nudge(ids=set(ids)), using)


def nudge_queues(*, queues: Iterable[str], using: str = "default") -> None:
    """Tell the dispatchers that these queues changed: paused, resumed, given up."""
    _after_commit(Nudge(queues={name: {} for name in queues}), using)


def nudge_worker(*, using: str = "default") -> None:
    """Tell the dispatchers that a worker has come."""
    _after_commit(Nudge(workers=True), using)


def nudge_canary(ear: str) -> None:
    """Send a canary: the ear of that name should hear it within moments."""
    _sender.send(Nudge(canary=ear))


def _after_commit(nudge: Nudge, using: str) -> None:
    connection = connections[using]
    if not connection.in_atomic_block:
        _sender.send(nudge)
        return
    waiting = getattr(connection, "_celeriac_nudge", None)
    if waiting is not None and any(entry[1] is waiting[1] for entry in connection.run_on_commit):
        # Whatever rolls that hook back rolls this transaction's news back with it.
        waiting[0].merge(nudge)
        return

    def hook() -> None:
        _sender.send(nudge)

    transaction.on_commit(hook, using=using, robust=True)
    connection._celeriac_nudge = (nudge, hook)  # type: ignore[attr-defined] # ours, on Django's object


class _Sender:
    """One client per process, made at the first nudge; quiet for a while after a failure."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None
        self._url = ""
        self._muted_until = self._line_from = 0.0

    def send(self, nudge: Nudge) -> None:
        """Publish; never raise."""
        if time.monotonic() < self._muted_until:
            return
        try:
            self._send(self._connected(), nudge)
        except Exception as error:  # a nudge is a courtesy: its failure is no one's concern
            self._muted_until = time.monotonic() + conf.NUDGE_MUTE_SECONDS
            logger.warning("nudges are off for %g s: %s", conf.NUDGE_MUTE_SECONDS, error)

    def _send(self, client: redis.Redis, nudge: Nudge) -> None:
        handed, rest = nudge.fresh, nudge.without_fresh()
        nudge.forget_fresh()
        text = nudge.encode()
        late = time.time() - LATE
        has_line = conf.OPEN_LINE and time.monotonic() >= self._line_from
        if handed and has_line and handed[0].run_at > late:
            try:
                said = rest.encode() if rest else ""
                hand_over(client, handed, channel=CHANNEL, nudge=text, rest=said)
                return
            except redis.ResponseError as error:
                self._line_from = time.monotonic() + REFUSED_FOR
                logger.warning("no job is handed over for %.0f s: %s", REFUSED_FOR, error)
        client.publish(CHANNEL, text)

    def reset(self) -> None:
        """Speak again at once, on a new connection: for tests."""
        self._muted_until = self._line_from = 0.0
        if self._client is not None:
            self._client.close()
        self._client = None

    def forget(self) -> None:
        """Start anew in a fork: another thread may have held the lock at that moment."""
        self._lock = threading.Lock()
        self._client = None

    def _connected(self) -> redis.Redis:
        with self._lock:
            if self._client is None or self._url != conf.NUDGE_URL:
                self._url = conf.NUDGE_URL
                self._client = nudge_client(self._url, timeout=conf.NUDGE_TIMEOUT_SECONDS)
            return self._client


def nudge_client(url: str, *, timeout: float) -> redis.Redis:
    """Return a client that fails fast and never tries twice."""
    return broker.broker_client(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
        protocol=2,
    )


_sender = _Sender()
reset = _sender.reset
os.register_at_fork(after_in_child=_sender.forget)
