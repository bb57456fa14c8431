"""The dispatcher's ear: nudges arrive on a thread and are handed over, merged.

The broker is not trusted: what is no nudge is dropped, a flood becomes "look everywhere", and
an ear that hears nothing, or whose thread died, is replaced. One that has heard nothing for a
while is tried by a canary: a nudge that names this ear and must come back through the channel.
"""

import contextlib
import logging
import queue
import threading
import time
from uuid import uuid4

import redis

from celeriac.jobs import invalid_messages, metrics, nudge
from celeriac.jobs.nudge import CHANNEL, nudge_client
from celeriac.jobs.nudge_message import MOST_IDS, Nudge
from celeriac.settings import conf

logger = logging.getLogger(__name__)

_BACKOFF_FIRST, _BACKOFF_LAST = 0.05, 1.0
#: Seconds without a nudge after which a canary is sent, and seconds that it may take.
QUIET, PATIENCE = 10.0, 3.0
#: Nudges that may wait to be handed over, and ids and locks that they may name together.
MOST_WAITING, MOST_NAMED = 1_000, 10 * MOST_IDS


class Listener:
    """Listens until it is closed, across losses of the broker.

    After every connect it says that nudges may have been missed.
    """

    def __init__(self, url: str | None = None) -> None:
        self._url = url or conf.NUDGE_URL  # "": nobody nudges, and there is nothing to hear
        self._news: queue.SimpleQueue[Nudge] = queue.SimpleQueue()
        self._overflowed = False
        self._closed = threading.Event()
        self._hears = threading.Event()
        self._name = uuid4().hex
        self._pinged = 0.0
        self._heard_at = self._asked_at = time.monotonic()
        self._thread = self._make_thread()

    def start(self, *, timeout: float = 2.0) -> bool:
        """Start listening; return whether the broker answered within `timeout` seconds."""
        if not self._url:
            return False
        self._thread.start()
        return self._hears.wait(timeout)

    def wait(self, timeout: float) -> Nudge:
        """Return all that came, after waiting up to `timeout` seconds for the first."""
        heard = Nudge()
        with contextlib.suppress(queue.Empty):
            heard.merge(self._news.get(timeout=timeout) if timeout > 0 else self._news.get_nowait())
            while True:
                heard.merge(self._news.get_nowait())
                if len(heard.ids) + len(heard.locks) + len(heard.nodes) > MOST_NAMED:
                    heard = Nudge(missed=True, workers=heard.workers)
        if self._overflowed:
            self._overflowed, heard.missed = False, True
        return heard

    def tend(self) -> None:
        """Try an ear that has heard nothing for a while, and replace one that is gone or deaf."""
        if not self._url:
            return
        now = time.monotonic()
        if not self._thread.is_alive():
            logger.error("the listener's thread died: it is started again")
            self._replace()
        elif self.is_deaf and now - self._asked_at > QUIET:
            logger.error("the listener answers no canary: it is started again")
            self._replace()
        if now - max(self._heard_at, self._asked_at) >= QUIET:
            self._asked_at = now
            nudge.nudge_canary(self._name)

    @property
    def is_deaf(self) -> bool:
        """Whether it was asked, and did not answer in time."""
        now = time.monotonic()
        return self._asked_at > self._heard_at and now - self._asked_at > PATIENCE

    @property
    def deaf_for(self) -> float | None:
        """Seconds since it should have answered and did not; None where it hears."""
        return time.monotonic() - self._heard_at if self.is_deaf else None

    def interrupt(self) -> None:
        """End a wait: may be called by a signal handler."""
        self._news.put(Nudge())

    def close(self) -> None:
        self._closed.set()
        self.interrupt()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _make_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="nudges", daemon=True)

    def _replace(self) -> None:
        """Start another thread; an old one that still lives sees that it was replaced, and ends."""
        self._hears.clear()
        self._thread = self._make_thread()
        self._thread.start()

    @property
    def _is_over(self) -> bool:
        """Whether the thread that asks has nothing more to do."""
        return self._closed.is_set() or threading.current_thread() is not self._thread

    def _run(self) -> None:
        backoff = _BACKOFF_FIRST
        while not self._is_over:
            started = time.monotonic()
            try:
                self._listen()
            except Exception as error:  # whatever it is: a dispatcher without an ear is slow
                if self._hears.is_set() or backoff == _BACKOFF_FIRST:
                    logger.warning("no nudges come through: %s", error)
            if threading.current_thread() is self._thread:
                self._hears.clear()
            if time.monotonic() - started > _BACKOFF_LAST:
                backoff = _BACKOFF_FIRST
            self._closed.wait(backoff)
            backoff = min(backoff * 2, _BACKOFF_LAST)

    def _listen(self) -> None:
        with nudge_client(self._url, timeout=2.0) as connected, connected.pubsub() as channel:
            channel.subscribe(CHANNEL)
            while not self._is_over:
                # The timeout is short so that closing is prompt.
                message = channel.get_message(timeout=0.25)
                if message is None:
                    self._check(channel)
                elif message["type"] == "subscribe":
                    self._tell(Nudge(missed=True))
                    self._hears.set()
                elif message["type"] == "message":
                    self._hand_over(message["data"])

    def _check(self, channel: redis.client.PubSub) -> None:
        """Ping now and then: a broker that is gone without a word is noticed."""
        if time.monotonic() - self._pinged > 5.0:
            self._pinged = time.monotonic()
            channel.ping()

    def _hand_over(self, data: bytes) -> None:
        try:
            heard = Nudge.decode(data)
        except ValueError as error:
            invalid_messages.drop_message("nudge", data, error)
            return
        if heard.canary and heard.canary != self._name:
            return
        self._heard_at = time.monotonic()
        metrics.count_answer("listener")
        if heard:
            self._tell(heard)

    def _tell(self, news: Nudge) -> None:
        if self._news.qsize() < MOST_WAITING:
            self._news.put(news)
        else:
            self._overflowed = True
