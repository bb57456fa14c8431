"""Doorbells as Celery messages, all of a round in one pipeline.

The app is the one that is current once the settings' package is loaded: config
imports tasks, so tasks can't import config.
"""

import contextlib
from collections.abc import Sequence

from celery import Celery, current_app
from celery.utils import uuid
from kombu import Producer

from apps.jobs.bells import Bell, RingFailed

#: Messages in one write to the broker.
PIPELINE = 500
#: Seconds. A dispatcher has better things to do than to wait for a broker.
SOCKET = {"socket_timeout": 2.0, "socket_connect_timeout": 1.0}


class BatchUnsupported(RingFailed):
    """The broker's transport would send the doorbells one by one."""


class CeleryPublisher:
    """Rings through Celery's broker, on a connection of its own."""

    def __init__(self, app: Celery | None = None) -> None:
        self.app = app or current_app._get_current_object()
        self._producer: Producer | None = None

    def ring(self, bells: Sequence[Bell]) -> None:
        """Send `bells`; RingFailed says whether some may have arrived."""
        try:
            producer = self._connected()
        except Exception as error:
            self.close()
            if isinstance(error, RingFailed):
                raise
            raise RingFailed(str(error), uncertain=False) from error
        try:
            with producer.batch(max_size=PIPELINE):
                for bell in bells:
                    self._send(bell, producer)
        except Exception as error:
            self.close()
            raise RingFailed(str(error.__cause__ or error), uncertain=True) from error

    def close(self) -> None:
        """Drop the connection; the next ring makes another."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):  # it is broken, or going away anyway
                producer.connection.release()

    def _connected(self) -> Producer:
        if self._producer is None:
            options = {**self.app.conf.broker_transport_options, **SOCKET}
            connection = self.app.connection_for_write(transport_options=options)
            self._producer = self.app.amqp.Producer(connection, auto_declare=False)
            self._check_batches(self._producer)
        # A broker that is away is noticed before anything is sent.
        self._producer.connection.default_channel.client.ping()
        return self._producer

    def _check_batches(self, producer: Producer) -> None:
        if not producer.supports_batch_publish:
            raise BatchUnsupported(
                "The broker's transport can't pipeline doorbells: use Redis or Valkey, and take "
                "retry, retry_on_timeout and retry_on_error out of CELERY_BROKER_TRANSPORT_OPTIONS.",
                uncertain=False,
            )

    def _send(self, bell: Bell, producer: Producer) -> None:
        """One message; a doorbell of one id bears the job's id."""
        ids = [str(job_id) for job_id in bell.ids]
        self.app.send_task(
            bell.kind,
            args=[ids],
            queue=bell.queue,
            task_id=ids[0] if len(ids) == 1 else uuid(),
            producer=producer,
            ignore_result=True,
            retry=False,
            add_to_parent=False,
        )
