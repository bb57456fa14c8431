"""The watch of a worker's parent: a thread that looks after the children.

Another one tells the database (telling.py), so that nothing that hangs there keeps a child from
being looked after. And who looks cuts off a statement that has no answer in time, so that the next
is tried on another connection before the worker's lease is over.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

from celeriac.celery.boot import Boot
from celeriac.celery.telling import Teller
from celeriac.jobs.running import watch
from celeriac.jobs.running.liveness import Card
from celeriac.jobs.running.wards import Trace, Ward
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Seconds between two looks at the children; a gap of more than twice that is a freeze.
LOOK_EVERY = 0.25
#: Seconds of a freeze that is worth a word; a busy machine holds a thread up for less.
_FREEZE = 5.0
#: Seconds for which the slots' folder may be missing before the worker ends.
_HOMELESS = 3.0
#: Seconds that the end of the worker waits for what is still to be told.
_LAST_WORDS = 10.0


class Watch(threading.Thread):
    """Looks after the children, four times a second, without the database or the broker."""

    def __init__(self, boot: Boot, card: Callable[[], Card]) -> None:
        super().__init__(name="celeriac-watch", daemon=True)
        self.teller = Teller(boot, card)
        self._boot = boot
        self._stopped = threading.Event()
        self._looked = time.monotonic()
        self._homeless_since: float | None = None

    def run(self) -> None:
        """Look until told to stop."""
        self.teller.start()
        self._looked = time.monotonic()
        while not self._stopped.is_set():
            try:
                self.look()
            except Exception:
                logger.exception("the watch stumbled")
            self._stopped.wait(LOOK_EVERY)

    def stop(self) -> None:
        """End the watch: settle what dead children left, and sign off."""
        self.teller.stopped.set()
        self.teller.join(timeout=_LAST_WORDS)
        self._stopped.set()
        self.join(timeout=_LAST_WORDS)

    def look(self) -> None:
        """Look at each child once."""
        wards = self._boot.folder.wards.all()
        self._grant_freezes(wards)
        children = [ward.read() for ward in wards]
        for job_id in watch.kill_overdue(children):
            self.teller.killed[job_id] = "ran past its hard limit and was killed"
        self._end_grace(children)
        self._keep_house()
        self.teller.cut_off()

    def _grant_freezes(self, wards: list[Ward]) -> None:
        """Tell each child for how long it could not work: all of them, or one that was stopped."""
        gap, self._looked = time.monotonic() - self._looked, time.monotonic()
        for_all = gap - LOOK_EVERY if gap > 2 * LOOK_EVERY else 0.0
        if for_all > _FREEZE:
            self.teller.woke_at = self._looked
            logger.warning("this process was frozen for %.0f s: no limit counts them", for_all)
        for ward in wards:
            stopped = not for_all and ward.pid != os.getpid() and watch.is_frozen(ward.pid)
            ward.look(gap if stopped else for_all)
            if stopped:
                self.teller.woke_at = self._looked

    def _end_grace(self, children: list[Trace]) -> None:
        """Kill who still holds a claim when the grace after a stop is over."""
        since = self._boot.stopping_since
        if since is None or time.monotonic() - since < conf.SHUTDOWN_GRACE_SECONDS:
            return
        for trace in children:
            if trace.alive and trace.claim_id is not None:
                what = f"job {trace.running}" if trace.running else f"claim {trace.claim_id}"
                logger.error("%s outlasted the grace of the stop", what)
                watch.kill(trace.pid)

    def _keep_house(self) -> None:
        """See that the slots' folder is there; a worker that can't have one ends warm."""
        folder, now = self._boot.folder, time.monotonic()
        if not folder.is_whole:
            try:
                folder.mend()
            except OSError as error:
                self._homeless_since = self._homeless_since or now
                if now - self._homeless_since > _HOMELESS and not self._boot.is_stopping():
                    logger.error("the slots' folder can't be made anew, the worker ends: %s", error)
                    os.kill(os.getpid(), signal.SIGTERM)
                return
            logger.error("the slots' folder %s was removed, and is made anew", folder.path)
        self._homeless_since = None
        for ward in folder.wards.astray():
            ward.tell_gone()
