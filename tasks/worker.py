"""The Celery worker as a worker of the ledger: its boot, its children, its watch."""

import logging
import os
import shutil
import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from celery import Celery, signals
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from apps.core import tracing
from apps.core.away import is_away
from apps.core.counting import counts, publish
from apps.core.counting.shared import SharedCells
from apps.jobs import nudge, outcomes, registry
from apps.jobs.running import liveness, runtimes, slots, watch
from apps.jobs.running.execute import Desk, knowledge
from apps.jobs.running.liveness import Card
from apps.jobs.running.slots import FileSlot, Trace
from tasks import revoking

logger = logging.getLogger(__name__)

#: Seconds between two looks at the children.
LOOK_EVERY = 0.25
#: A pool whose tasks run in a process of their own, or in the worker itself.
_POOLS = ("prefork", "solo")


@dataclass(slots=True)
class Boot:
    """One boot of this worker: shared with its children by the fork."""

    folder: Path
    id: UUID = field(default_factory=uuid4)
    stopping_since: float | None = None

    @property
    def stop_sign(self) -> Path:
        """The file whose presence tells the children to start nothing more."""
        return self.folder / "stopping"

    @property
    def canary(self) -> str:
        """The queue of this boot alone."""
        return f"celeriac:canary:{self.id}"


_boot: Boot | None = None
_desk: Desk | None = None
_watch: "Watch | None" = None
#: Whether this child ignores SIGTERM, and with it whatever it would start.
_is_deaf = False


def install(app: Celery) -> None:
    """Make workers of `app` workers of the ledger."""

    def ours(sender: Any) -> bool:  # noqa: ANN401 Celery sends a worker or its consumer
        return getattr(sender, "app", None) is app

    @signals.worker_init.connect(weak=False)
    def start_boot(sender: Any, **_: object) -> None:  # noqa: ANN401 a WorkController
        global _boot
        if ours(sender):
            _boot = _begin(sender)

    @signals.worker_process_init.connect(weak=False)
    def start_child(**_: object) -> None:
        if _boot is not None:
            _outlive_sigterm()
            desk()

    @signals.worker_ready.connect(weak=False)
    def start_watch(sender: Any, **_: object) -> None:  # noqa: ANN401 a Consumer
        global _watch
        if ours(sender) and _watch is None and _boot is not None:
            _watch = Watch(_boot, _card(sender, _boot))
            _watch.start()

    @signals.worker_shutting_down.connect(weak=False)
    def announce_stop(**_: object) -> None:
        if _boot is not None:
            _boot.stop_sign.touch()
            if _boot.stopping_since is None:  # a second signal does not prolong the grace
                _boot.stopping_since = time.monotonic()

    @signals.worker_shutdown.connect(weak=False)
    def end_boot(sender: Any, **_: object) -> None:  # noqa: ANN401 a WorkController
        if ours(sender) and _boot is not None:
            if _watch is not None:
                _watch.stop()
            shutil.rmtree(_boot.folder, ignore_errors=True)


def canary_queue() -> str | None:
    """Return the queue that this boot alone takes from; None where no worker boots."""
    return _boot.canary if _boot is not None else None


@signals.worker_process_shutdown.connect(weak=False)
def end_child(**_: object) -> None:
    """Send the spans of a child that ends."""
    tracing.flush()


def _outlive_sigterm() -> None:
    """A signal to the whole group must not kill a child in the middle of a job, but may a fork's.

    At first it must be ignored, not handled: billiard puts its own handler over any other.
    """
    global _is_deaf
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _is_deaf = True
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def _hear_sigterm() -> None:
    """Handle it by doing nothing: a program that a job starts would inherit that it is ignored."""
    global _is_deaf
    signal.signal(signal.SIGTERM, lambda signum, frame: None)
    signal.siginterrupt(signal.SIGTERM, False)
    _is_deaf = False


def desk() -> Desk:
    """Return this process's desk: a child's, a solo worker's, or one without a watch."""
    global _desk
    if _desk is not None and _is_deaf:  # not before the first doorbell
        _hear_sigterm()
    if _desk is None and _boot is None:
        _desk = Desk(worker=uuid4(), known=knowledge())
    elif _desk is None and _boot is not None:
        _desk = Desk(
            worker=_boot.id,
            known=knowledge(),
            slot=FileSlot(_boot.folder),
            stopping=_boot.stop_sign.exists,
        )
        counts.process.move_to(SharedCells(_boot.folder))  # after the slot, which says it lives
    assert _desk is not None  # noqa: S101 one of the branches above has set it
    return _desk


def _begin(worker: Any) -> Boot:  # noqa: ANN401 a WorkController
    """Return a new boot; SystemExit where this worker can't be one of the ledger's."""
    try:
        _check_pool(worker)
        publish.by_hand()
        revoking.install()
        return Boot(slots.make_folder(Path(settings.JOBS_SLOT_DIRECTORY)))
    except Exception as error:
        # Celery only logs what a receiver raises, and the worker would run jobs that nobody
        # watches: after a lease they would be rescued, and run twice.
        raise SystemExit(f"This worker can't work for the ledger: {error}") from error


class Watch(threading.Thread):
    """A thread of the worker's parent: beats, and looks after the children.

    It has a database connection of its own and survives the loss of it; it does
    not depend on the broker, so a worker that reconnects goes on beating.
    """

    def __init__(self, boot: Boot, card: Card) -> None:
        super().__init__(name="celeriac-watch", daemon=True)
        self._boot = boot
        self._card = card
        self._stop_asked = threading.Event()
        self._beaten = float("-inf")
        self._answered: datetime | None = None  # the last beat, by the database's clock
        self._killed: dict[UUID, str] = {}
        self._publisher = publish.Publisher(boot.folder)

    def run(self) -> None:
        """Look every quarter of a second until told to stop."""
        while not self._stop_asked.is_set():
            self._survive(self._look)
            self._stop_asked.wait(LOOK_EVERY)
        self._survive(self._look)
        self._survive(self._publisher.publish)
        self._survive(self._say_goodbye)
        connection.close()

    def stop(self) -> None:
        """End the watch: settle what dead children left, and sign off."""
        self._stop_asked.set()
        self.join(timeout=10)

    def _look(self) -> None:
        looked_after = self._answered
        children = watch.traces(self._boot.folder)
        for job_id in watch.kill_overdue(children):
            self._killed[job_id] = "ran past its hard limit and was killed"
        self._end_grace(children)
        for trace in children:
            if not trace.alive:
                # Whatever keeps one from being settled must not keep the worker from beating.
                self._survive(partial(self._bury, trace))
        if time.monotonic() - self._beaten >= settings.JOBS_HEARTBEAT_SECONDS:
            self._beat(children, looked_after)

    def _beat(self, children: list[Trace], looked_after: datetime | None) -> None:
        claims = [trace.claim_id for trace in children if trace.claim_id is not None]
        means = runtimes.merge([trace.means for trace in children])
        answered = max((trace.answered for trace in children), default=0.0)
        first = self._beaten == float("-inf")
        self._answered = None  # until this one is answered too
        self._answered = liveness.beat(
            self._card,
            claims=claims,
            run_times=means,
            looked_after=looked_after,
            answered_ago=max(0.0, time.monotonic() - answered) if answered else None,
        )
        self._beaten = time.monotonic()
        self._survive(self._publisher.publish)
        if first:
            nudge.worker_came()

    def _bury(self, trace: Trace) -> None:
        killed = trace.running and self._killed.get(trace.running, "")
        stopped = self._boot.stopping_since is not None and not killed
        reason = outcomes.STOPPED if stopped else killed or "its worker's process died"
        done = watch.bury(self._boot.folder, trace, reason=reason, blameless=stopped)
        if done and trace.running:
            self._killed.pop(trace.running, None)

    def _end_grace(self, children: list[Trace]) -> None:
        """Kill who still runs when the grace after a stop is over."""
        since = self._boot.stopping_since
        if since is None or time.monotonic() - since < settings.JOBS_SHUTDOWN_GRACE_SECONDS:
            return
        for trace in children:
            if trace.alive and trace.running and trace.pid != os.getpid():
                logger.error("job %s outlasted the grace of the stop", trace.running)
                watch.kill(trace.pid)

    def _say_goodbye(self) -> None:
        liveness.stop(self._boot.id)

    def _survive(self, step: Any) -> None:  # noqa: ANN401 a bound method
        try:
            step()
        except Exception as error:
            if is_away(error):
                logger.warning("the watch lost its database, trying again: %s", error)
            else:
                logger.exception("the watch stumbled")
            connection.close()


def _check_pool(worker: Any) -> None:  # noqa: ANN401 a WorkController
    pool = worker.pool_cls
    name = pool if isinstance(pool, str) else pool.__module__
    if not any(each in name for each in _POOLS):
        raise ImproperlyConfigured(
            f"The pool {name!r} can't hold a job to its limits: use --pool=prefork (or solo)."
        )


def _card(consumer: Any, boot: Boot) -> Card:  # noqa: ANN401 a Consumer
    return Card(
        id=boot.id,
        name=consumer.hostname,
        host=socket.gethostname(),
        pid=os.getpid(),
        queues=tuple(sorted(consumer.app.amqp.queues.consume_from)),
        kinds=tuple(registry.names()),
        slots=consumer.controller.concurrency or 1,
        canary=boot.canary,
    )
