"""The child monitor of a worker's parent: a thread that looks after the children.

Another one tells the database (reports.py), so that nothing that hangs there keeps a child from
being looked after. And who looks cuts off a statement that has no answer in time, so that the next
is tried on another connection before the worker's lease is over.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence

from celeriac.celery.instance import WorkerInstance
from celeriac.celery.reports import Reporter
from celeriac.jobs.running import child_checks
from celeriac.jobs.running.child_records import ChildJournal, ChildRecord
from celeriac.jobs.running.liveness import WorkerInfo
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Seconds between two looks at the children; a gap of more than twice that is a freeze.
LOOK_EVERY = 0.25
#: Seconds of a freeze that is worth a word; a busy machine holds a thread up for less.
_FREEZE = 5.0
#: Seconds for which the journals' folder may be missing before the worker ends.
_HOMELESS = 3.0
#: Seconds that the end of the worker waits for what is still to be told.
_LAST_WORDS = 10.0


class ChildMonitor(threading.Thread):
    """Looks after the children, four times a second, without the database or the broker."""

    def __init__(
        self,
        instance: WorkerInstance,
        info: Callable[[], WorkerInfo],
        queues: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        super().__init__(name="celeriac-monitor", daemon=True)
        self.teller = Reporter(instance, info)
        self._instance = instance
        self._queues = queues
        self._stopped = threading.Event()
        self._looked = time.monotonic()
        self._homeless_since: float | None = None

    def run(self) -> None:
        """Look until told to stop."""
        self.teller.start()
        self._looked = time.monotonic()
        while not self._stopped.is_set():
            try:
                self.check_children()
            except Exception:
                logger.exception("the child monitor failed")
            self._stopped.wait(LOOK_EVERY)

    def stop(self) -> None:
        """End the monitor: settle what dead children left, and sign off."""
        self.teller.end()
        self.teller.join(timeout=_LAST_WORDS)
        self._stopped.set()
        self.join(timeout=_LAST_WORDS)

    def check_children(self) -> None:
        """Look at each child once."""
        child_journals = self._instance.folder.child_journals.all()
        self._grant_freezes(child_journals)
        traces = [(child, child.read_all()) for child in child_journals]
        for child, records in traces:
            child_checks.kill_overdue(records, child.note_kill)
        children = [record for _, records in traces for record in records]
        self.teller.take_note(children)
        self._instance.line_queues = self._queues()
        self._end_grace(children)
        self._keep_house()
        self.teller.cut_off()

    def _grant_freezes(self, child_journals: list[ChildJournal]) -> None:
        """Tell each child for how long it could not work: all of them, or one that was stopped."""
        gap, self._looked = time.monotonic() - self._looked, time.monotonic()
        for_all = gap - LOOK_EVERY if gap > 2 * LOOK_EVERY else 0.0
        if for_all > _FREEZE:
            self.teller.woke_at = self._looked
            logger.warning("this process was frozen for %.0f s: no limit counts them", for_all)
        for child in child_journals:
            stopped = not for_all and child.pid != os.getpid() and child_checks.is_frozen(child.pid)
            child.write_looked(gap if stopped else for_all)
            if stopped:
                self.teller.woke_at = self._looked

    def _end_grace(self, children: list[ChildRecord]) -> None:
        """Kill who still holds a claim when the grace after a stop is over."""
        since, grace = self._instance.stopping_since, conf.SHUTDOWN_GRACE_SECONDS
        if since is None or grace is None or time.monotonic() - since < grace:
            return
        for record in children:
            if record.alive and record.claim_id is not None:
                what = f"job {record.running}" if record.running else f"claim {record.claim_id}"
                logger.error("%s outlasted the grace of the stop", what)
                child_checks.kill_child(record.pid)

    def _keep_house(self) -> None:
        """See that the journals' folder is there; a worker that can't have one ends warm."""
        folder, now = self._instance.folder, time.monotonic()
        if not folder.is_whole:
            try:
                folder.mend()
            except OSError as error:
                self._homeless_since = self._homeless_since or now
                if now - self._homeless_since > _HOMELESS and not self._instance.is_stopping():
                    logger.error(
                        "the journals' folder can't be made anew, the worker ends: %s", error
                    )
                    os.kill(os.getpid(), signal.SIGTERM)
                return
            logger.error("the journals' folder %s was removed, and is made anew", folder.path)
            folder.child_journals.all()  # none of them is there
        self._homeless_since = None
        for child in folder.child_journals.astray():
            child.tell_gone()
