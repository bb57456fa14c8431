"""Celery's consumer, for a broker that is not trusted and goes away now and then."""

import logging
import warnings
from collections.abc import Callable
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown

from celeriac.celery.headers import DOORBELL, HEADER
from celeriac.jobs import invalid_messages

logger = logging.getLogger(__name__)


class Consumer(CeleryConsumer):
    """Loses its broker quietly, and comes back."""

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, however long it takes; say once that the broker is away, and that it is back."""
        if not (
            self.app.conf.broker_connection_retry_on_startup
            if self.first_connection_attempt
            else self.app.conf.broker_connection_retry
        ):
            return super().ensure_connected(conn)
        said: list[str] = []

        def say(error: Exception, interval: float) -> None:
            text = f"{error}"
            if text not in said[-1:]:
                said.append(text)
                logger.error("the broker %s is away, trying again: %s", conn.as_uri(), text)

        conn = conn.ensure_connection(
            say, self.app.conf.broker_connection_max_retries, callback=maybe_shutdown
        )
        if said:
            logger.info("the broker is back")
        self.first_connection_attempt = False
        self.broker_connection_retry_attempt = 0
        return conn

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Clean up, without Celery's notice of what another release may do."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Drop what can't be decoded."""
        self._drop(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Drop what is no task."""
        self._drop(message, TypeError("no task"))

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Drop a task that is none."""
        self._drop(message, exc)

    def _drop(self, message: Any, why: Exception) -> None:
        invalid_messages.drop_message("queue", (message.headers, message.body), why)
        consumer: Any = self  # its stubs know no errors
        message.ack_log_error(logger, consumer.connection_errors)


class LedgerConsumer(Consumer):
    """That of a worker of the ledger, whose children may be on the open line.

    To Celery such a child is busy; a message that finds no child free calls one off.
    """

    def __init__(self, on_task_request: Callable[[Any], Any], **options: Any) -> None:
        self._process = on_task_request
        #: Has so many children leave the open line: what the ledger's worker puts here.
        self.call_off: Callable[[int], None] | None = None
        #: Has nobody start anything more: put here by it, too.
        self.announce_stop: Callable[[], None] | None = None
        super().__init__(self._process_or_call, **options)

    def _process_or_call(self, request: Any) -> Any:
        processed = self._process(request)
        self.call_children()
        return processed

    def call_children(self, more: int = 0) -> None:
        """Have a child leave the open line for each message that finds none free, and `more`."""
        if self.call_off is not None:
            self.call_off(self._waiting() + more)

    def _waiting(self) -> int:
        """Return how many messages wait for a child.

        Most wait for the semaphore. But once a child has died Celery lets more of them through than
        children are free: those wait in its pool.
        """
        consumer: Any = self  # its stubs know no controller
        pool = consumer.pool._pool
        free = len(pool._all_inqueues) - len(pool._busy_workers)
        behind = len(pool.outbound_buffer) - free
        return len(consumer.controller.semaphore._waiting) + max(0, behind)

    def stop(self) -> None:
        """Stop for good; of `control shutdown`, unlike of a signal, nobody was told before."""
        if self.announce_stop is not None:
            self.announce_stop()
        super().stop()

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Drop a doorbell of an unknown kind; no result's row is written for what a sender says."""
        self._drop(message, LookupError(f"no task of that name: {exc}"))


class SharedConsumer(LedgerConsumer):
    """That of a worker that has plain tasks, too: what it can't read it treats as Celery does."""

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Log and acknowledge it, as Celery does."""
        CeleryConsumer.on_decode_error(self, message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Reject it, as Celery does."""
        CeleryConsumer.on_unknown_message(self, body, message)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Reject it, as Celery does."""
        CeleryConsumer.on_invalid_task(self, body, message, exc)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Drop a doorbell, which is rung again; fail a task, as Celery does."""
        headers = message.headers
        if isinstance(headers, dict) and headers.get(HEADER) == DOORBELL:
            super().on_unknown_task(body, message, exc)
        else:
            CeleryConsumer.on_unknown_task(self, body, message, exc)


def can_call_off(consumer: Any) -> bool:
    """Return whether a worker's parent sees a message that no child is free for."""
    ours = isinstance(consumer, LedgerConsumer)
    prefetches = not consumer.app.conf.worker_disable_prefetch
    return ours and prefetches and consumer.controller.semaphore is not None
