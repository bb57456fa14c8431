"""What a worker's parent tells the database: that it lives, and what its children left.

It has a connection of its own and survives the loss of it; it does not depend on the broker, so a
worker that reconnects goes on beating. Each step has a quarter of the lease: see `Teller.cut_off`.
"""

import contextlib
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from celeriac.celery.boot import Boot
from celeriac.core.away import is_away
from celeriac.core.counting import publish
from celeriac.jobs import nudge, outcomes
from celeriac.jobs.running import folders, liveness, runtimes, watch
from celeriac.jobs.running.folders import Folder
from celeriac.jobs.running.liveness import Card, Report
from celeriac.jobs.running.wards import Trace, Ward
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Seconds between two looks for what there is to tell.
_TELL_EVERY = 0.25


def patience() -> float:
    """Return the seconds that one step may take."""
    return float(conf.WORKER_LEASE_SECONDS) / 4


class Teller(threading.Thread):
    """Beats, buries dead children, takes back what waits behind a long job."""

    def __init__(self, boot: Boot, card: Callable[[], Card]) -> None:
        super().__init__(name="celeriac-teller", daemon=True)
        self.stopped = threading.Event()
        #: Why the watch killed the child that ran a job.
        self.killed: dict[UUID, str] = {}
        #: When the worker last went on after a freeze (monotonic seconds).
        self.woke_at: float | None = None
        self._boot = boot
        self._card = card
        self._told: Card | None = None
        self._beaten = float("-inf")
        self._answered: datetime | None = None  # the last beat, by the database's clock
        self._publisher = publish.Publisher(boot.folder.path)
        self._left: list[Folder] = []
        self._taken_back: set[UUID] = set()
        self._bound = _Bound()

    def run(self) -> None:
        """Tell until told to stop; then the last words."""
        _connect_impatiently()
        while not self.stopped.is_set():
            self._survive(self.tell)
            self.stopped.wait(_TELL_EVERY)
        self._survive(self.tell)
        self._survive(self._publisher.publish)
        if not self._holds_claims():
            self._survive(partial(liveness.stop, self._boot.id))
        for left in self._left:
            left.leave()
        connection.close()

    def cut_off(self) -> None:
        """End a step that takes too long, by its connection; called by another thread."""
        self._bound.cut_off()

    def tell(self) -> None:
        """Tell what there is to tell."""
        self._bound.lift()
        looked_after = self._answered
        traces = [(ward, ward.read()) for ward in self._boot.folder.wards.all()]
        if self._is_due():
            report = self._report([trace for _, trace in traces])
            for _ in range(2):  # the second time on another connection
                if self._survive(partial(self._beat, report, looked_after)):
                    self._survive(self._publisher.publish)
                    self._survive(self._find_left)
                    break
        self._taken_back &= {trace.claim_id for _, trace in traces if trace.claim_id}
        # Whatever keeps one from being settled must not keep the worker from beating.
        for ward, trace in traces:
            if not trace.alive:
                self._survive(partial(self._bury, ward, trace))
            elif halted := watch.halt_overlong(ward, trace):
                self._survive(partial(self._take_back, halted))
        for left in list(self._left):
            self._survive(partial(self._settle_left, left))

    # -- the worker's row ----------------------------------------------------------------

    def _is_due(self) -> bool:
        every = min(conf.HEARTBEAT_SECONDS, patience())
        return time.monotonic() - self._beaten >= every or self._card() != self._told

    def _report(self, children: list[Trace]) -> Report:
        now = time.monotonic()
        answered = max((trace.answered for trace in children), default=0.0)
        return Report(
            claims=[trace.claim_id for trace in children if trace.claim_id is not None],
            running=[trace.running for trace in children if trace.running is not None],
            run_times=runtimes.merge([trace.means for trace in children]),
            answered_ago=max(0.0, now - answered) if answered else None,
            woke_ago=None if self.woke_at is None else max(0.0, now - self.woke_at),
        )

    def _beat(self, report: Report, looked_after: datetime | None) -> None:
        card, before = self._card(), self._told
        self._answered = None  # until this one is answered too
        self._answered = liveness.beat_or_sign(
            card, report, looked_after=looked_after, patience=patience()
        )
        self._boot.heard()
        if self._answered is None:
            return
        self._beaten, self._told = time.monotonic(), card
        if card != before:
            nudge.worker_came()

    # -- what children left --------------------------------------------------------------

    def _bury(self, ward: Ward, trace: Trace) -> None:
        killed = self.killed.get(trace.running, "") if trace.running else ""
        stopped = self._boot.is_stopping() and not killed
        reason = outcomes.STOPPED if stopped else killed or "its worker's process died"
        if watch.bury(trace, reason=reason, blameless=stopped):
            self._boot.folder.wards.remove(ward)
            if trace.running:
                self.killed.pop(trace.running, None)

    def _take_back(self, trace: Trace) -> None:
        claim_id = trace.claim_id
        if claim_id is not None and claim_id not in self._taken_back and watch.take_back(trace):
            self._taken_back.add(claim_id)

    def _find_left(self) -> None:
        self._left += folders.left_behind(Path(conf.SLOT_DIRECTORY))

    def _settle_left(self, left: Folder) -> None:
        """Settle what the children of a dead worker of this host left, then remove its folder."""
        stopped = left.is_left_stopping
        reason = outcomes.STOPPED if stopped else "its worker died"
        for ward in left.wards.all():
            trace = ward.read()
            if not trace.alive and watch.bury(trace, reason=reason, blameless=stopped):
                left.wards.remove(ward)
        if not left.wards.all():
            logger.info("settled what worker %s left in %s", left.owner, left.path)
            liveness.stop(left.owner)
            self._left.remove(left)
            left.remove()

    def _holds_claims(self) -> bool:
        return any(ward.read().claim_id for ward in self._boot.folder.wards.all())

    def _survive(self, step: Callable[[], object]) -> bool:
        """Do a step within its time; return whether it was done."""
        try:
            with self._bound:
                step()
        except Exception as error:
            if is_away(error):
                logger.warning("the watch lost its database, trying again: %s", error)
            else:
                logger.exception("the watch stumbled")
            connection.close()
        else:
            return True
        return False


class _Bound:
    """The time that a step may take. A statement without an answer is ended by its connection.

    That is done from outside: no setting of the server or of TCP bounds the wait for a server, or
    a proxy, that takes what is sent and says nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: float | None = None
        self._wrapper: BaseDatabaseWrapper | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._wrapper = connections["default"]
            self._until = time.monotonic() + patience()

    def __exit__(self, *_: object) -> None:
        self.lift()

    def lift(self) -> None:
        """Bound nothing until the next step."""
        with self._lock:
            self._until = None

    def cut_off(self) -> None:
        """End the step if its time is over."""
        with self._lock:
            if self._until is None or time.monotonic() < self._until or self._wrapper is None:
                return
            self._until = time.monotonic() + patience()  # where it goes on in spite of that
            raw = self._wrapper.connection
            logger.warning("the database has not answered the watch for %.1f s", patience())
            with contextlib.suppress(Exception):  # it may have ended meanwhile
                _shut(raw.pgconn.socket)


def _shut(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _connect_impatiently() -> None:
    """Let this thread's connection be given up after a quarter of the lease."""
    connection.close()
    options = {
        **connection.settings_dict.get("OPTIONS", {}),
        "connect_timeout": max(2, math.ceil(patience())),
        "tcp_user_timeout": round(patience() * 1000),
    }
    options.pop("pool", None)  # it would be shared, and is patient
    connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
