"""The dispatcher's ear: nudges arrive on a thread and are handed over, merged."""

import contextlib
import logging
import queue
import threading
import time

import redis
from django.conf import settings

from apps.jobs.nudge import CHANNEL, Nudge, client

logger = logging.getLogger(__name__)

_BACKOFF_FIRST, _BACKOFF_LAST = 0.05, 1.0


class Listener:
    """Listens until it is closed, across losses of the broker.

    After every connect it says that nudges may have been missed.
    """

    def __init__(self, url: str | None = None) -> None:
        self._url = url or settings.JOBS_NUDGE_URL
        self._news: queue.SimpleQueue[Nudge] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._hears = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nudges", daemon=True)

    def start(self, *, timeout: float = 2.0) -> bool:
        """Start listening; return whether the broker answered within `timeout` seconds."""
        self._thread.start()
        return self._hears.wait(timeout)

    def wait(self, timeout: float) -> Nudge:
        """Return all that came, after waiting up to `timeout` seconds for the first."""
        nudge = Nudge()
        with contextlib.suppress(queue.Empty):
            nudge.merge(self._news.get(timeout=timeout) if timeout > 0 else self._news.get_nowait())
            while True:
                nudge.merge(self._news.get_nowait())
        return nudge

    def interrupt(self) -> None:
        """End a wait: may be called by a signal handler."""
        self._news.put(Nudge())

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        self.interrupt()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        backoff = _BACKOFF_FIRST
        while not self._closed.is_set():
            started = time.monotonic()
            try:
                self._listen()
            except (redis.RedisError, OSError, ValueError) as error:
                if self._hears.is_set() or backoff == _BACKOFF_FIRST:
                    logger.warning("no nudges come through: %s", error)
            self._hears.clear()
            if time.monotonic() - started > _BACKOFF_LAST:
                backoff = _BACKOFF_FIRST
            self._closed.wait(backoff)
            backoff = min(backoff * 2, _BACKOFF_LAST)

    def _listen(self) -> None:
        with client(self._url, timeout=5.0) as connected, connected.pubsub() as channel:
            channel.subscribe(CHANNEL)
            while not self._closed.is_set():
                # The timeout is short so that closing is prompt.
                message = channel.get_message(timeout=0.25)
                if message is None:
                    self._check(channel)
                elif message["type"] == "subscribe":
                    self._news.put(Nudge(missed=True))
                    self._hears.set()
                elif message["type"] == "message":
                    self._hand_over(message["data"])

    def _check(self, channel: redis.client.PubSub) -> None:
        """Ping now and then: a broker that is gone without a word is noticed."""
        if time.monotonic() - getattr(self, "_pinged", 0.0) > 5.0:
            self._pinged = time.monotonic()
            channel.ping()

    def _hand_over(self, data: bytes) -> None:
        try:
            self._news.put(Nudge.decode(data))
        except ValueError as error:
            logger.warning("%s", error)
