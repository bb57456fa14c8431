"""A dispatcher's end of the open line (celeriac/jobs/open_line.py): doorbells go there first."""

import logging
import time
from collections.abc import Mapping, Sequence

from redis import Redis
from redis.exceptions import RedisError

from celeriac.jobs import invalid_messages, open_line
from celeriac.jobs.dispatching.admission import RoundSnapshot
from celeriac.jobs.dispatching.live_workers import Workers
from celeriac.jobs.dispatching.pending_doorbells import Doorbell
from celeriac.jobs.dispatching.queue_cursors import QueueCursor
from celeriac.jobs.nudge import nudge_client
from celeriac.jobs.open_line import LineState, held_circuit, held_queue
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Seconds that the broker may take.
TIMEOUT = 1.0


def state_of(
    cursors: Mapping[str, QueueCursor], workers: Workers, snapshot: RoundSnapshot
) -> LineState:
    """Return what is held: queues with a backlog, and circuits that let few through or none."""
    waiting = (name for name, each in cursors.items() if each.more or each.full or each.strays)
    held = {*map(held_queue, waiting), *map(held_circuit, snapshot.unsettled)}
    return LineState({name: workers.of_queue(name).slots for name in cursors}, frozenset(held))


class DispatcherLine:
    """Puts doorbells onto the line while there is one; it never raises."""

    def __init__(self) -> None:
        self._client: Redis | None = None
        self._state = LineState({}, frozenset())
        self._muted_until = float("-inf")

    def put(self, doorbells: Sequence[Doorbell]) -> list[Doorbell]:
        """Put `doorbells` onto the line; return what must be sent as messages."""
        slots = {each.queue: self._state.slots.get(each.queue, 0) for each in doorbells}
        return self._ring(doorbells, slots)

    def keep(self, state: LineState) -> list[Doorbell]:
        """Say what is held by now; return doorbells that lie there, and that nobody waits for."""
        released = self._state.held - state.held
        self._state = state
        if not self._is_there:
            return []
        try:
            open_line.hold(self._connected(), state.held, released)
        except RedisError as error:
            self._mute(error)
            return []
        return self._ring([], state.slots)

    def close(self) -> None:
        """Drop the connection; the next call makes another."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    @property
    def _is_there(self) -> bool:
        return open_line.is_open() and time.monotonic() >= self._muted_until

    def _ring(self, doorbells: Sequence[Doorbell], slots: dict[str, int]) -> list[Doorbell]:
        if not self._is_there:
            return list(doorbells)
        encoded = [
            (each.queue, open_line.encode_doorbell(each.kind, each.ids)) for each in doorbells
        ]
        try:
            taken, back = open_line.ring(self._connected(), encoded, slots)
        except RedisError as error:
            self._mute(error)
            return list(doorbells)
        left = [each for each, there in zip(doorbells, taken, strict=True) if not there]
        return _decode(back) + left

    def _connected(self) -> Redis:
        if self._client is None:
            self._client = nudge_client(conf.NUDGE_URL, timeout=TIMEOUT)
        return self._client

    def _mute(self, error: RedisError) -> None:
        self.close()
        self._muted_until = time.monotonic() + conf.NUDGE_MUTE_SECONDS
        logger.warning(
            "no doorbells over the open line for %g s: %s", conf.NUDGE_MUTE_SECONDS, error
        )


def _decode(doorbells: Sequence[tuple[str, str]]) -> list[Doorbell]:
    """Return doorbells that lay in the broker, without what is none."""
    found = []
    for queue, text in doorbells:
        try:
            kind, ids = open_line.decode_doorbell(text)
        except ValueError as error:
            invalid_messages.drop_message("queue", text, error)
            continue
        found.append(Doorbell(kind, queue, tuple(ids)))
    return found
