"""Nudges: news for the dispatchers, sent best-effort through the broker's pub/sub.

One message per transaction, after its commit, in at most NUDGE_TIMEOUT_SECONDS or
so; after a failure the sender keeps quiet for NUDGE_MUTE_SECONDS. It never raises: a
lost nudge costs the job one poll of the dispatcher.
"""

import logging
import os
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from inspect import signature
from uuid import UUID

import redis
from django.db import connections, transaction
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry

from celeriac.core import broker
from celeriac.jobs import metrics
from celeriac.jobs.nudge_message import Nudge
from celeriac.jobs.open_line import FreshJob, hand_over
from celeriac.settings import conf

logger = logging.getLogger(__name__)

CHANNEL = "celeriac:nudge"
#: Seconds for which nothing is handed over once the broker refused the script.
REFUSED_FOR = 60.0
#: Seconds after its enqueue from which on a commit is told to a dispatcher, too: it would not
#: find what was handed over and got lost (dispatch.LATE).
LATE = 1.0


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


def nudge_nodes(*, nodes: Sequence[UUID], using: str = "default") -> None:
    """Tell the dispatchers that members of these groups have ended, or that events came."""
    if nodes:
        _after_commit(Nudge(nodes=set(nodes)), using)


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
        if not conf.NUDGE_URL or time.monotonic() < self._muted_until:
            return
        try:
            self._send(self._connected(), nudge)
        except Exception as error:  # a nudge is a courtesy: its failure is no one's concern
            self._muted_until = time.monotonic() + conf.NUDGE_MUTE_SECONDS
            logger.warning("nudges are off for %g s: %s", conf.NUDGE_MUTE_SECONDS, error)

    def _send(self, client: redis.Redis, nudge: Nudge) -> None:
        fresh, nudge.fresh = nudge.fresh, []
        rest = nudge.encode() if nudge or not fresh else ""
        if not fresh:
            client.publish(CHANNEL, rest)
            return
        nudge.add_jobs(fresh)
        text = nudge.encode()
        if not self._hand_over(client, fresh, text, rest):
            client.publish(CHANNEL, text)

    def _hand_over(self, client: redis.Redis, fresh: list[FreshJob], text: str, rest: str) -> bool:
        """Return whether the broker took it: it hands over what it can, or publishes."""
        has_line = conf.OPEN_LINE and time.monotonic() >= self._line_from
        if not has_line or fresh[0].run_at <= time.time() - LATE:
            return False
        try:
            handed = hand_over(client, fresh, channel=CHANNEL, nudge=text, rest=rest)
        except redis.ResponseError as error:
            self._line_from = time.monotonic() + REFUSED_FOR
            logger.warning("no job is handed over for %.0f s: %s", REFUSED_FOR, error)
            return False
        for queue in handed:
            metrics.count_rung(queue, 1)
        return True

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


#: A connection that does not introduce its driver, which would cost it two trips.
_NAMELESS: dict[str, None] = (
    {"driver_info": None}
    if "driver_info" in signature(AbstractConnection.__init__).parameters
    else {"lib_name": None, "lib_version": None}
)


def nudge_client(url: str, *, timeout: float) -> redis.Redis:
    """Return a client that fails fast and never tries twice."""
    return broker.broker_client(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        **_NAMELESS,
    )


_sender = _Sender()
reset = _sender.reset
os.register_at_fork(after_in_child=_sender.forget)
