"""A child on the open line: it offers a place, and waits for its next doorbell.

1. Go, if the parent has called: it has a message that no child is free for.
2. Offer a place and wait at the mailbox: one write to the broker, two answers.
3. A doorbell comes: answer it, and begin again.
4. The parent calls: withdraw the place *first*. Who then finds a doorbell in the mailbox answers it
   and leaves the call to another; who finds none takes the call and goes.
5. Nothing comes: a quarter of a second later begin again, or go after a long wait.

What is said in the broker is in celeriac/jobs/open_line.py.
"""

import contextlib
import logging
import os
import select
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from redis import VERSION
from redis.exceptions import NoScriptError, RedisError

from celeriac.celery.instance import WorkerInstance
from celeriac.jobs import invalid_messages, nudge, open_line
from celeriac.jobs.open_line import LEAVE, OFFER, PREFIX
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Seconds: one wait, the longest time without a doorbell, and the longest turn, after which Celery
#: hears of the child again.
WAIT, LINGER, TURN = 0.25, 5.0, 60.0
#: What redis-py before 5.3 wants to know of a connection, and newer ones want nobody to say.
_COMMAND = ("EVALSHA",) * (VERSION < (5, 3))
#: Seconds after which it says again that it is on the line.
_SAY_EVERY = 0.5
#: Seconds that an answer may take longer than the wait.
_PATIENCE = 1.0


class OpenLine:
    """One child's place on the line of its worker's queues."""

    def __init__(self, instance: WorkerInstance) -> None:
        self.name = f"{instance.id}:{os.getpid()}"
        self._instance = instance
        self._mail = f"{PREFIX}mail:{self.name}"
        self._client: Any = None  # redis-py's connections bear loose types
        self._connection: Any = None
        self._queues: tuple[str, ...] = ()
        self._commands: tuple[bytes, bytes] = b"", b""
        #: Whether the broker may know of a place of this child.
        self._entered = False
        self._said = self._muted_until = float("-inf")

    def stay(self, answer: Callable[[list[UUID]], object]) -> None:
        """Have `answer` answer each doorbell that comes, until it is time to go."""
        ends = time.monotonic() + TURN
        self._said = float("-inf")
        while time.monotonic() >= self._muted_until:
            try:
                ids = self._next(ends)
            except (RedisError, OSError) as error:
                self._fail(error)
                return
            if not ids:
                return
            answer(ids)

    def _next(self, ends: float) -> list[UUID] | None:
        """Return the next doorbell, or None once this child has left the line."""
        ends = min(ends, time.monotonic() + LINGER)
        while self._follow_queues() and time.monotonic() < ends:
            if self._is_called():
                ids = self._leave()
                if ids or self._instance.take_call():
                    return ids
                self._said = float("-inf")  # another has gone: back onto the line
            mail = self._wait()
            if mail:
                return self._read(mail)
        return self._leave()

    def _follow_queues(self) -> bool:
        """Take what the worker consumes by now; return whether to go on, so as it is."""
        stops = self._instance.is_stopping() or not open_line.is_open()
        queues = () if stops else tuple(map(open_line.own, self._instance.line_queues))
        if queues == self._queues:
            return bool(queues)
        if self._entered:
            return False
        self._queues, self._commands = queues, (b"", b"")
        return bool(queues)

    def _is_called(self) -> bool:
        """Return whether the parent has a message that no child is free for."""
        return bool(_readable(0.0, self._instance.call_pipe))

    def _wait(self) -> bytes | None:
        """Offer a place and wait; return the doorbell, b"" where it is withdrawn, else None."""
        connection = self._connected()
        say = (now := time.monotonic()) - self._said > _SAY_EVERY
        connection.send_packed_command([self._commands[say]], check_health=False)
        try:
            connection.read_response()
        except NoScriptError:
            found = connection.read_response()
            self._client.script_load(OFFER.script)
            return found[1] if found else None
        if say:
            self._said = now
        self._entered = True
        if not connection.can_read(timeout=0) and self._hears_parent(connection):
            self._withdraw(wakes=True)
        found = connection.read_response()
        if found and not found[1]:  # the place is gone, and no doorbell came before it went
            self._entered = False
        return found[1] if found else None

    def _hears_parent(self, connection: Any) -> bool:
        """Wait for the mailbox or the parent; return whether it is the parent who calls."""
        broker, parent = connection._sock.fileno(), self._instance.call_pipe
        ready = _readable(WAIT + _PATIENCE, broker, parent)
        if not ready:
            raise TimeoutError("the broker does not answer")
        return broker not in ready

    def _read(self, mail: bytes) -> list[UUID] | None:
        try:
            ids = open_line.decode_doorbell(mail)[1]
        except ValueError as error:
            invalid_messages.drop_message("queue", mail, error)
            return self._leave()
        if self._instance.is_stopping():
            nudge.nudge_jobs(ids=ids)
            return self._leave()
        return ids

    def _leave(self) -> list[UUID] | None:
        """Leave the line; return the doorbell that had come meanwhile, if one had."""
        mail = self._withdraw(wakes=False) if self._entered else None
        self._entered = False
        return self._read(mail) if mail else None

    def _withdraw(self, *, wakes: bool) -> Any:
        return LEAVE(args=[self.name, int(wakes), *self._queues], client=self._client)

    def _connected(self) -> Any:
        if self._connection is None:
            self._client = nudge.nudge_client(conf.NUDGE_URL, timeout=WAIT + 2 * _PATIENCE)
            self._connection = self._client.connection_pool.get_connection(*_COMMAND)
            self._commands = b"", b""
        if not self._commands[0]:
            self._commands = self._pack(say=False), self._pack(say=True)
        return self._connection

    def _pack(self, *, say: bool) -> bytes:
        offer = ("EVALSHA", OFFER.sha, 0, self.name, int(say), *self._queues)
        packed = self._connection.pack_commands([offer, ("BLPOP", self._mail, WAIT)])
        return b"".join(packed)

    def _fail(self, error: Exception) -> None:
        """Do without the line for a while: doorbells come as messages."""
        mute = conf.NUDGE_MUTE_SECONDS
        logger.warning("no doorbells over the open line for %g s: %s", mute, error)
        self._muted_until = time.monotonic() + mute
        with contextlib.suppress(Exception):  # it is broken
            self._connection.disconnect()
            self._client.close()
        self._client, self._connection, self._entered = None, None, False


def _readable(timeout: float, *files: int) -> set[int]:
    """Return which of the descriptors can be read within `timeout` seconds, however high they are.

    That is why it is no select(), which raises from 1,024 on.
    """
    poll = select.poll()
    for each in files:
        poll.register(each, select.POLLIN)
    return {each for each, _ in poll.poll(timeout * 1000)}
