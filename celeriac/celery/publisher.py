"""Doorbells as Celery messages, all of a round in one pipeline.

The app is the one that is current once the settings' package is loaded: config
imports tasks, so tasks can't import config.
"""

import contextlib
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.app import app_or_default
from celery.utils import uuid
from celery.utils.nodenames import anon_nodename

from celeriac.celery.headers import DOORBELL, HEADER
from celeriac.jobs.dispatching.line import DispatcherLine
from celeriac.jobs.dispatching.pending_doorbells import Doorbell, RingFailed
from celeriac.jobs.open_line import LineState
from celeriac.settings import conf

#: Messages in one write to the broker.
PIPELINE = 500
#: Seconds for which a canary is kept that its worker does not take.
CANARY_LIVES = 30
#: Seconds. A dispatcher has better things to do than to wait for a broker: it tries again itself.
IMPATIENT = {
    "socket_timeout": 2.0,
    "socket_connect_timeout": 1.0,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
_HEADERS = {HEADER: DOORBELL}


class BatchUnsupported(RingFailed):
    """The broker's transport would send the doorbells one by one."""


class CeleryPublisher:
    """Rings through Celery's broker, on a connection of its own."""

    def __init__(self, app: Celery | None = None) -> None:
        self.app: Celery = app_or_default(app)
        _declare_tasks(self.app)
        self._connection: Any = None  # the types of kombu know neither batches nor channels
        self._producer: Any = None
        self._origin = anon_nodename()
        self._sends_events = bool(self.app.conf.task_send_sent_event)
        self.line = DispatcherLine()

    def ring(self, doorbells: Sequence[Doorbell]) -> None:
        """Put doorbells onto the open line, and send those that nobody there takes.

        RingFailed says whether some may have arrived.
        """
        if doorbells := self.line.put(doorbells):
            self._send_all(doorbells)

    def keep_line(self, state: LineState) -> None:
        """Follow the dispatcher's queues on the open line; send what nobody there waits for."""
        if doorbells := self.line.keep(state):
            self._send_all(doorbells)

    def _send_all(self, doorbells: Sequence[Doorbell]) -> None:
        try:
            producer = self._connected()
        except Exception as error:
            self.close()
            if isinstance(error, RingFailed):
                raise
            raise RingFailed(str(error), uncertain=False) from error
        try:
            with self._batch(producer):
                for doorbell in doorbells:
                    self._send(doorbell, producer)
        except Exception as error:
            self.close()
            raise RingFailed(str(error.__cause__ or error), uncertain=True) from error

    def ask(self, canaries: Sequence[str]) -> None:
        """Send canaries: queues of one worker each, which vanish when it takes nothing."""
        self._send_all([Doorbell("celeriac.canary", queue, (uuid4(),)) for queue in canaries])
        for queue in canaries:
            self._connection.default_channel.client.expire(queue, CANARY_LIVES)

    def check(self) -> None:
        """Raise BatchUnsupported where the transport would send doorbells one by one."""
        try:
            self._open()
        finally:
            self.close()

    def close(self) -> None:
        """Drop the connection; the next ring makes another."""
        self.line.close()
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is broken, or going away anyway
                connection.release()

    def _connected(self) -> Any:
        if self._producer is None:
            self._open()
        # A broker that is away is noticed before anything is sent.
        self._connection.default_channel.client.ping()
        return self._producer

    def _open(self) -> None:
        options = {**self.app.conf.broker_transport_options, **IMPATIENT}
        self._connection = self.app.connection_for_write(transport_options=options)
        self._producer = self.app.amqp.Producer(self._connection, auto_declare=False)
        if getattr(self._producer, "supports_batch_publish", None) is False:
            raise BatchUnsupported(
                "The broker's transport can't pipeline doorbells: use Redis or Valkey, and take "
                "retry, retry_on_timeout and retry_on_error out of the transport options.",
                uncertain=False,
            )

    def _batch(self, producer: Any) -> contextlib.AbstractContextManager[Any]:
        """Send what follows in one write; kombu before 5.7 can only send one by one."""
        gathers = hasattr(producer, "batch")
        return producer.batch(max_size=PIPELINE) if gathers else contextlib.nullcontext()

    def _send(self, doorbell: Doorbell, producer: Any) -> None:
        """One message; a doorbell of one id bears the job's id.

        This is `send_task` without its look-ups, which cost more than the message.
        """
        ids = [str(job_id) for job_id in doorbell.ids]
        alone = len(ids) == 1
        task_id = ids[0] if alone else uuid()
        message = self.app.amqp.create_task_message(
            task_id,
            doorbell.kind,
            args=(ids,),
            argsrepr=f"(['{task_id}'],)" if alone else f"([… {len(ids)} ids],)",
            kwargsrepr="{}",
            origin=self._origin,
            ignore_result=True,
            create_sent_event=self._sends_events,
        )
        self.app.amqp.send_task_message(
            producer,
            doorbell.kind,
            message,
            queue=doorbell.queue,
            headers=_HEADERS,  # create_task_message would drop them
            declare=(),
            retry=False,
        )


def _declare_tasks(app: Celery) -> None:
    """Have the kinds of a project's own tasks declared: who rings also judges what was lost.

    Once a process, for Celery sets Django up on the way, and its logging with it: a worker that is
    a dispatcher too has done so before it set the level that it was asked for.
    """
    if conf.TASKS:
        app.loader.init_worker()
        app.finalize()
