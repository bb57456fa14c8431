"""The dispatcher's loop: rounds and periodic steps, across losses of the database."""

import logging
import threading
from collections.abc import Callable, Sequence

from django.db import connection
from django.utils.module_loading import import_string

from celeriac.core.counting import publish
from celeriac.core.database_errors import is_away
from celeriac.jobs import metrics
from celeriac.jobs.dispatching import answer_checks, expire, live_workers, rescue
from celeriac.jobs.dispatching.answer_checks import Canaries
from celeriac.jobs.dispatching.dispatch import AdmissionControl
from celeriac.jobs.dispatching.glance import Glance
from celeriac.jobs.dispatching.nudge_listener import Listener
from celeriac.jobs.dispatching.periodic import PeriodicStep
from celeriac.jobs.dispatching.sweep import Sweep
from celeriac.jobs.enqueueing import queues
from celeriac.jobs.nodes.watching import NodeWatch
from celeriac.jobs.nudge_message import Nudge
from celeriac.jobs.routing.order_route import compare_orders
from celeriac.jobs.running.prepared import AnswerHook
from celeriac.settings import conf

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
#: The share of the time that looking for what was missed may take.
_SEARCH = 0.05


def make_dispatcher(queues: Sequence[str] = ()) -> "DispatcherLoop":
    """Return a dispatcher of these queues, or of all.

    Raises:
        RingFailed: the broker can't be reached, or can't carry doorbells.
    """
    publisher = import_string(conf.PUBLISHER)()
    publisher.check()
    return DispatcherLoop(AdmissionControl(publisher=publisher, queues=list(queues)), Listener())


class DispatcherLoop:
    """Runs one dispatcher until it is stopped."""

    def __init__(self, dispatcher: AdmissionControl, listener: Listener) -> None:
        self.dispatcher = dispatcher
        self.listener = listener
        self._stopped = threading.Event()
        self._pause, self._away = 0.0, False
        self._canaries = Canaries(dispatcher.id, dispatcher.publisher, dispatcher.clock)
        self._sweep = Sweep(dispatcher.doorbells)
        self._glance = Glance(dispatcher.clock)
        self._nodes = NodeWatch(dispatcher.clock)
        self._publish_counts = publish.publish_in_loop()
        self._fleet = PeriodicStep(dispatcher.read_workers, interval=1.0, share=0.2)
        self._steps = (
            PeriodicStep(dispatcher.leases.renew, interval=conf.QUEUE_LEASE_SECONDS / 8),
            self._fleet,
            PeriodicStep(self._rescue, interval=1.0, share=0.5),
            PeriodicStep(self._expire, interval=1.0, share=0.5),
            PeriodicStep(dispatcher.reread, interval=1.0),
            PeriodicStep(self._find_levels, interval=1.0, share=_SEARCH),
            PeriodicStep(self._sweep_slice, interval=5.0, share=_SEARCH),
            PeriodicStep(self._nodes.tend, interval=1.0, share=_SEARCH),
            PeriodicStep(listener.tend, interval=1.0),
            PeriodicStep(self._say, interval=2.0),
            PeriodicStep(self._publish_counts, interval=conf.METRICS_PUBLISH_SECONDS),
            PeriodicStep(self._ask, interval=1.0),
            PeriodicStep(compare_orders, interval=1.0, share=_SEARCH),
            PeriodicStep(self._prune_workers, interval=600.0),
        )
        #: Since when no rescue has been possible (monotonic), and whether that was said.
        self._no_rescue_since, self._no_rescue_said = dispatcher.clock(), False

    def run(self, *, ready: Callable[[], None] = lambda: None) -> None:
        """Dispatch until `stop`; call `ready` when the listener and the first leases are there."""
        self.listener.start()
        with connection.execute_wrapper(AnswerHook(self._touch)):
            try:
                while not self._stopped.is_set() and self._attempt(self._start) is not None:
                    pass
                if not self._stopped.is_set():
                    ready()
                nudge = Nudge(missed=True)
                while not self._stopped.is_set():
                    nudge = self._next(nudge)
            finally:
                self.listener.close()
                self._release()

    def once(self) -> int:
        """Do one round with all periodic steps; return how many jobs were rung."""
        try:
            self._start()
            pending = self._turn(Nudge(missed=True))
            while self.dispatcher.seconds_to_next_round() == 0.0 and self.dispatcher.cursors:
                pending += self._turn(Nudge())
            return pending
        finally:
            self._release()

    def stop(self) -> None:
        """Ask the loop to end: may be called by a signal handler."""
        self._stopped.set()
        self.listener.interrupt()

    def _start(self) -> int:
        queues.make_queue_rows()
        self.dispatcher.leases.renew()
        self.dispatcher.read_workers()
        return 0

    def _turn(self, nudge: Nudge) -> int:
        if not self.dispatcher.contact.is_there(self.dispatcher.clock()):
            self._start_over()
        self._nodes.hear(nudge.nodes)
        if nudge.workers:
            self._fleet.hasten()
        pending = self.dispatcher.run_round(nudge)
        for step in self._steps:
            self._perform(step)
        return pending

    def _start_over(self) -> None:
        """Forget what was read and rung, to ring all that is due anew, in its order.

        After a silence of the database nobody knows which doorbells were heard.
        """
        cursors = self.dispatcher.cursors
        for name in list(cursors):
            del cursors[name]
            self.dispatcher.doorbells.forget(name)
        self.dispatcher.throttles.start_over()

    def _perform(self, step: PeriodicStep) -> None:
        """Do a periodic step; one that fails while the database is there holds nothing else up."""
        try:
            step.perform(self.dispatcher.clock)
        except Exception as error:
            if is_away(error):
                raise
            logger.exception("a periodic step failed")
            connection.close()

    def _next(self, nudge: Nudge) -> Nudge:
        """Do one turn; return what it should hear next.

        A turn that failed is done again with the same nudge only while the database is away:
        what failed otherwise may be the nudge's fault, and would fail for ever.
        """
        away = self._attempt(lambda: self._turn(nudge))
        if away is None:
            return self._wait()
        nudge = nudge if away else Nudge(missed=True)
        nudge.merge(self.listener.wait(0))
        return nudge

    def _wait(self) -> Nudge:
        """Return what the next round should hear; close what ends meanwhile, which needs none."""
        heard, clock = Nudge(), self.dispatcher.clock
        until = clock() + self.dispatcher.seconds_to_next_round()
        while True:
            news = self.listener.wait(min(until - clock(), self._nodes.seconds_left))
            self._nodes.hear(news.nodes)
            is_about_nodes = bool(news.nodes) or self._nodes.seconds_left <= 0.0
            news.nodes.clear()
            heard.merge(news)
            if not is_about_nodes or heard.asks_for_round or clock() >= until:
                return heard
            if self._stopped.is_set():
                return heard
            if self._attempt(self._nodes.close) is not None:
                return Nudge(missed=True)

    def _attempt(self, step: Callable[[], object]) -> bool | None:
        """Do `step`; where it fails, pause and return whether the database is away, else None."""
        try:
            step()
        except Exception as error:  # a loop that ends for any reason rings no more
            return self._endure(error)
        if self._away:
            logger.info("the database is back")
        self._pause, self._away = 0.0, False
        return None

    def _endure(self, error: Exception) -> bool:
        away = is_away(error)
        if not away:
            logger.error("a round failed, trying again", exc_info=error)
        else:
            self.dispatcher.contact.lose()
            if not self._away:
                logger.error("the database is away, trying again: %s", error)
            self._away = True
        connection.close()
        self._pause = min(_LONGEST_PAUSE, self._pause * 2 or _FIRST_PAUSE)
        self._stopped.wait(self._pause)
        return away

    def _touch(self) -> None:
        """Note an answered statement: a round of many takes long where the database is slow."""
        self.dispatcher.contact.touch(self.dispatcher.clock())

    def _release(self) -> None:
        try:
            self.dispatcher.leases.release()
            answer_checks.delete_answers(self.dispatcher.id)
            self._publish_counts()
        except Exception as error:
            logger.warning("the queue leases could not be given up: %s", error)
        connection.close()

    # -- periodic steps --------------------------------------------------------------------------

    def _rescue(self) -> bool:
        now = self.dispatcher.clock()
        if self.dispatcher.contact.lasts(now) <= conf.WORKER_LEASE_SECONDS:
            self._say_no_rescue(now)
            return False
        if self._no_rescue_said:
            logger.info("rescue goes on")
        self._no_rescue_since, self._no_rescue_said = now, False
        metrics.count_answer("rescue")
        if not self._glance.read().running:
            return False
        return len(rescue.rescue_lost_runs()) >= rescue.MOST

    def _say_no_rescue(self, now: float) -> None:
        """Say once that lost jobs wait, when they have waited for longer than a start takes."""
        waits = now - self._no_rescue_since
        if not self._no_rescue_said and waits > 1.25 * conf.WORKER_LEASE_SECONDS:
            self._no_rescue_said = True
            text = "rescue waits: contact broken, nobody was taken back for %.0f s; it needs %.0f s"
            logger.warning(text, waits, conf.WORKER_LEASE_SECONDS)

    def _ask(self) -> None:
        dispatcher = self.dispatcher
        if dispatcher.workers.quiet and dispatcher.cursors and dispatcher.ringer.mute_since is None:
            self._canaries.send()

    def _say(self) -> None:
        """Write what this dispatcher answers, for whoever asks whether it does."""
        dispatcher, now = self.dispatcher, self.dispatcher.clock()

        def ago(moment: float | None) -> float | None:
            return None if moment is None else max(0.0, now - moment)

        answer_checks.write_answers(
            dispatcher.id,
            dispatcher.leases.name,
            rang=ago(dispatcher.ringer.rang_at),
            mute=ago(dispatcher.ringer.mute_since),
            deaf=self.listener.deaf_for,
            idle=ago(self._no_rescue_since) if self._no_rescue_said else None,
        )

    def _expire(self) -> bool:
        if not self._glance.read().expired:
            return False
        count = expire.expire_jobs()
        if count:
            logger.info("expired: %d jobs that were not started in time", count)
        return count >= expire.MOST

    def _find_levels(self) -> None:
        self.dispatcher.find_levels(self.dispatcher.cursors)

    def _sweep_slice(self) -> bool:
        return self._sweep.slice(self.dispatcher.cursors.values())

    def _prune_workers(self) -> None:
        answer_checks.delete_old_answers()
        count = live_workers.prune_workers()
        if count:
            logger.info("forgot %d workers that ended long ago", count)
