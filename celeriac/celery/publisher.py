"""Doorbells as Celery messages: all of a round in one write, where the broker can.

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

from celeriac.celery.headers import CANARY, DOORBELL, HEADER
from celeriac.celery.importing import keep_setup
from celeriac.celery.wires import canary_queue, connect, wire_of
from celeriac.jobs.dispatching.line import DispatcherLine
from celeriac.jobs.dispatching.pending_doorbells import Doorbell, RingFailed
from celeriac.jobs.open_line import LineState
from celeriac.settings import conf

_HEADERS = {HEADER: DOORBELL}


class CeleryPublisher:
    """Rings through Celery's broker, on a connection of its own."""

    def __init__(self, app: Celery | None = None) -> None:
        self.app: Celery = app_or_default(app)
        _declare_tasks(self.app)
        self._connection: Any = None  # the types of kombu know neither batches nor channels
        self._producer: Any = None
        self._wire: Any = None
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
            with self._wire.batch(producer):
                for doorbell in doorbells:
                    self._send(doorbell, producer)
        except Exception as error:
            self.close()
            raise RingFailed(str(error.__cause__ or error), uncertain=True) from error

    def ask(self, canaries: Sequence[str]) -> None:
        """Send canaries: queues of one worker each, which vanish when it takes nothing."""
        self._send_all([Doorbell(CANARY, queue, (uuid4(),)) for queue in canaries])
        self._wire.keep_canaries(self._connection, list(canaries))

    def check(self) -> None:
        """Raise BatchUnsupported where the transport can't carry doorbells as they should go."""
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
        self._wire.ping(self._connection)
        return self._producer

    def _open(self) -> None:
        self._connection = connect(self.app)
        self._wire = wire_of(self._connection)
        self._producer = self.app.amqp.Producer(self._connection, auto_declare=False)
        self._wire.check(self._producer)

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
            queue=self._queue(doorbell),
            headers=_HEADERS,  # create_task_message would drop them
            declare=() if doorbell.kind == CANARY else self._wire.declare,
            retry=False,
        )

    def _queue(self, doorbell: Doorbell) -> Any:
        is_canary = doorbell.kind == CANARY
        return canary_queue(doorbell.queue, self._connection) if is_canary else doorbell.queue


def _declare_tasks(app: Celery) -> None:
    """Have the kinds of a project's own tasks declared: who rings also judges what was lost.

    Once a process: a worker that is a dispatcher too has done so already.
    """
    if conf.TASKS:
        keep_setup(app)
        app.loader.init_worker()
        app.finalize()
