"""What a worker's parent tells the database: that it lives, and what its children left.

It has a connection of its own and survives the loss of it; it does not depend on the broker, so a
worker that reconnects goes on beating. Each step has a quarter of the lease (`Reporter.cut_off`).
"""

import contextlib
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from celeriac.celery.instance import WorkerInstance
from celeriac.core.counting import publish
from celeriac.core.database_errors import is_away
from celeriac.jobs import nudge, outcomes
from celeriac.jobs.losses import Loss
from celeriac.jobs.running import child_checks, folders, liveness, runtimes
from celeriac.jobs.running.child_records import ChildJournal, ChildRecord
from celeriac.jobs.running.folders import Folder
from celeriac.jobs.running.liveness import ChildrenReport, WorkerInfo
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Seconds between two looks for what there is to tell.
_TELL_EVERY = 0.25


def step_seconds() -> float:
    """Return the seconds that one step may take."""
    return float(conf.WORKER_LEASE_SECONDS) / 4


class Reporter(threading.Thread):
    """Beats, buries dead children, takes back what waits behind a long job."""

    def __init__(self, instance: WorkerInstance, info: Callable[[], WorkerInfo]) -> None:
        super().__init__(name="celeriac-teller", daemon=True)
        self.stopped = threading.Event()
        #: When the worker last went on after a freeze (monotonic seconds).
        self.woke_at: float | None = None
        self._instance = instance
        self._info = info
        self._told: WorkerInfo | None = None
        self._beaten = float("-inf")
        self._answered: datetime | None = None  # the last beat, by the database's clock
        self._publisher = publish.TotalsPublisher(instance.folder.path)
        self._left: list[Folder] = []
        self._taken_back: set[UUID] = set()
        self._wanted = threading.Event()
        self._wanted.set()
        self._bound = _StepLimit()

    def run(self) -> None:
        """Tell until told to stop; then the last words."""
        _connect_impatiently()
        while not self.stopped.is_set():
            self._survive(self._look)
            self._wanted.wait(_TELL_EVERY)
        self._survive(self.report)
        self._survive(self._publisher.publish)
        if not self._holds_claims():
            self._survive(partial(liveness.write_stop, self._instance.id))
        for left in self._left:
            left.leave()
        connection.close()

    def take_note(self, children: Iterable[ChildRecord]) -> None:
        """Have the children looked at, where one is dead or holds others up; by another thread."""
        if any(not each.alive or child_checks.holds_others_up(each) for each in children):
            self._wanted.set()

    def end(self) -> None:
        """Say the last words, and end; called by another thread."""
        self.stopped.set()
        self._wanted.set()

    def cut_off(self) -> None:
        """End a step that takes too long, by its connection; called by another thread."""
        self._bound.cut_off()

    def _look(self) -> None:
        """Report where it is time, or where there is something that waits for it."""
        wanted = self._wanted.is_set()
        self._wanted.clear()
        if wanted or self._left or self._is_due():
            self.report()

    def report(self) -> None:
        """Tell what there is to tell."""
        self._bound.lift()
        looked_after = self._answered
        traces = [(child, child.read_all()) for child in self._instance.folder.child_journals.all()]
        every = [record for _, records in traces for record in records]
        if self._is_due():
            report = self._report(every)
            for _ in range(2):  # the second time on another connection
                if self._survive(partial(self._beat, report, looked_after)):
                    self._survive(self._publisher.publish)
                    self._survive(self._find_left)
                    break
        self._taken_back &= {record.claim_id for record in every if record.claim_id}
        # Whatever keeps one from being settled must not keep the worker from beating.
        for child, records in traces:
            if not records[0].alive:
                self._survive(partial(self._bury, child, records))
            elif halted := child_checks.halt_overlong(child, records[0]):
                self._survive(partial(self._release_unstarted, halted))
        for left in list(self._left):
            self._survive(partial(self._settle_left, left))

    # -- the worker's row ----------------------------------------------------------------

    def _is_due(self) -> bool:
        every = min(conf.HEARTBEAT_SECONDS, step_seconds())
        return time.monotonic() - self._beaten >= every or self._info() != self._told

    def _report(self, children: list[ChildRecord]) -> ChildrenReport:
        now = time.monotonic()
        answered = max((record.answered for record in children), default=0.0)
        return ChildrenReport(
            claims=sorted({record.claim_id for record in children if record.claim_id is not None}),
            running=[record.running for record in children if record.running is not None],
            run_times=runtimes.merge_run_times([record.means for record in children]),
            answered_ago=max(0.0, now - answered) if answered else None,
            woke_ago=None if self.woke_at is None else max(0.0, now - self.woke_at),
        )

    def _beat(self, report: ChildrenReport, looked_after: datetime | None) -> None:
        info, before = self._info(), self._told
        self._answered = None  # until this one is answered too
        self._answered = liveness.write_heartbeat_or_sign(
            info, report, looked_after=looked_after, patience=step_seconds()
        )
        self._instance.heard()
        if self._answered is None:
            return
        self._beaten, self._told = time.monotonic(), info
        if info != before:
            nudge.nudge_worker()

    # -- what children left --------------------------------------------------------------

    def _bury(self, child: ChildJournal, records: list[ChildRecord]) -> None:
        stopped = self._instance.is_stopping()
        reason = outcomes.STOPPED if stopped else child_checks.DIED
        loss = Loss.WORKER if stopped else Loss.CHILD
        if child_checks.settle_dead_child(
            records, child.killed_for(), reason=reason, loss=loss, blameless=stopped
        ):
            self._instance.folder.child_journals.remove(child)

    def _release_unstarted(self, record: ChildRecord) -> None:
        claim_id = record.claim_id
        if (
            claim_id is not None
            and claim_id not in self._taken_back
            and child_checks.release_unstarted(record)
        ):
            self._taken_back.add(claim_id)

    def _find_left(self) -> None:
        self._left += folders.left_behind(Path(conf.SLOT_DIRECTORY))

    def _settle_left(self, left: Folder) -> None:
        """Settle what the children of a dead worker of this host left, then remove its folder."""
        stopped = left.is_left_stopping
        reason = outcomes.STOPPED if stopped else "its worker died"
        for child in left.child_journals.all():
            records = child.read_all()
            if not records[0].alive and child_checks.settle_dead_child(
                records, child.killed_for(), reason=reason, loss=Loss.WORKER, blameless=stopped
            ):
                left.child_journals.remove(child)
        if not left.child_journals.all():
            logger.info("settled what worker %s left in %s", left.owner, left.path)
            liveness.write_stop(left.owner)
            self._left.remove(left)
            left.remove()

    def _holds_claims(self) -> bool:
        return self._instance.folder.child_journals.hold_claims()

    def _survive(self, step: Callable[[], object]) -> bool:
        """Do a step within its time; return whether it was done."""
        try:
            with self._bound:
                step()
        except Exception as error:
            if is_away(error):
                logger.warning("the child monitor lost its database, trying again: %s", error)
            else:
                logger.exception("the child monitor failed")
            connection.close()
        else:
            return True
        return False


class _StepLimit:
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
            self._until = time.monotonic() + step_seconds()

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
            self._until = time.monotonic() + step_seconds()  # where it goes on in spite of that
            raw = self._wrapper.connection
            logger.warning(
                "the database has not answered the child monitor for %.1f s", step_seconds()
            )
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
        "connect_timeout": max(2, math.ceil(step_seconds())),
        "tcp_user_timeout": round(step_seconds() * 1000),
    }
    options.pop("pool", None)  # it would be shared, and is patient
    connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
