"""The dispatcher's loop: rounds and duties, across losses of the database."""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from apps.jobs.dispatching import expire, fleet, rescue
from apps.jobs.dispatching.dispatch import Dispatcher
from apps.jobs.dispatching.duties import Duty
from apps.jobs.dispatching.listen import Listener
from apps.jobs.dispatching.sweep import Sweep
from apps.jobs.enqueueing import queues
from apps.jobs.nudge import Nudge

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
#: The share of the time that looking for what was missed may take.
_SEARCH = 0.05


class Server:
    """Runs one dispatcher until it is stopped."""

    def __init__(self, dispatcher: Dispatcher, listener: Listener) -> None:
        self.dispatcher = dispatcher
        self.listener = listener
        self._stopped = threading.Event()
        self._pause = 0.0
        self._sweep = Sweep(dispatcher.bells)
        self._fleet = Duty(dispatcher.read_fleet, interval=1.0, share=0.2)
        self._duties = (
            Duty(dispatcher.leases.renew, interval=settings.JOBS_QUEUE_LEASE_SECONDS / 8),
            self._fleet,
            Duty(self._rescue, interval=1.0, share=0.5),
            Duty(self._expire, interval=1.0, share=0.5),
            Duty(dispatcher.look_back, interval=1.0),
            Duty(self._find_levels, interval=1.0, share=_SEARCH),
            Duty(self._sweep_slice, interval=5.0, share=_SEARCH),
            Duty(self._prune_workers, interval=600.0),
        )

    def run(self, *, ready: Callable[[], None] = lambda: None) -> None:
        """Dispatch until `stop`; call `ready` when the listener and the first leases are there."""
        self.listener.start()
        try:
            self._until_done(self._start)
            if not self._stopped.is_set():
                ready()
            nudge = Nudge(missed=True)
            while not self._stopped.is_set():
                self._until_done(lambda heard=nudge: self._turn(heard))  # type: ignore[misc]
                nudge = self.listener.wait(self.dispatcher.pause())
        finally:
            self.listener.close()
            self._release()

    def once(self) -> int:
        """Do one round with all duties; return how many jobs were rung."""
        try:
            self._start()
            rung = self._turn(Nudge(missed=True))
            while self.dispatcher.pause() == 0.0 and self.dispatcher.lanes:
                rung += self._turn(Nudge())
            return rung
        finally:
            self._release()

    def stop(self) -> None:
        """Ask the loop to end: may be called by a signal handler."""
        self._stopped.set()
        self.listener.interrupt()

    def _start(self) -> int:
        queues.make_rows()
        self.dispatcher.leases.renew()
        self.dispatcher.read_fleet()
        return 0

    def _turn(self, nudge: Nudge) -> int:
        if nudge.workers:
            self._fleet.hasten()
        rung = self.dispatcher.round(nudge)
        for duty in self._duties:
            duty.perform(self.dispatcher.clock)
        return rung

    def _until_done(self, step: Callable[[], int]) -> None:
        """Do `step`; while the database is away, try again with a pause."""
        while not self._stopped.is_set():
            try:
                step()
            except (DatabaseError, InterfaceError) as error:
                self._endure(error)
            else:
                if self._pause:
                    logger.info("the database is back")
                self._pause = 0.0
                return

    def _endure(self, error: Exception) -> None:
        self.dispatcher.contact.lose()
        if not isinstance(error, OperationalError | InterfaceError):
            logger.exception("a round failed")
        elif not self._pause:
            logger.error("the database is away, trying again: %s", error)
        connection.close()
        self._pause = min(_LONGEST_PAUSE, self._pause * 2 or _FIRST_PAUSE)
        self._stopped.wait(self._pause)

    def _release(self) -> None:
        try:
            self.dispatcher.leases.release()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the queue leases could not be given up: %s", error)
        connection.close()

    # -- duties --------------------------------------------------------------------------

    def _rescue(self) -> bool:
        lease = settings.JOBS_WORKER_LEASE_SECONDS
        if self.dispatcher.contact.lasts(time.monotonic()) <= lease:
            return False
        return len(rescue.rescue()) >= rescue.MOST

    def _expire(self) -> bool:
        count = expire.expire()
        if count:
            logger.info("expired: %d jobs that were not started in time", count)
        return count >= expire.MOST

    def _find_levels(self) -> None:
        self.dispatcher.find_levels(self.dispatcher.lanes)

    def _sweep_slice(self) -> bool:
        return self._sweep.slice(self.dispatcher.lanes.values())

    def _prune_workers(self) -> None:
        count = fleet.prune()
        if count:
            logger.info("forgot %d workers that ended long ago", count)
