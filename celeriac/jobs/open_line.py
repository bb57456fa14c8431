"""The open line: places that waiting children offer in the broker, and who takes them.

A child that has answered a doorbell offers a place for all queues of its worker and waits at its
mailbox. A committed job, or a dispatcher's doorbell, takes a free place at once. Nothing here is of
value: what is lost the dispatcher finds by its own look, and what is doubled meets the claim. See
docs/decisions/the-open-line.md.

Each step is one script (lua/), so that a place is taken once. Keys, all below `celeriac:line:`,
with the project's key prefix before a queue's name:

- `free:<queue>`: the children that offered a place, by the time of the offer,
- `place:<child>`: there while its offer is good, which is half a second,
- `mail:<child>`: its mailbox, which holds one doorbell at most,
- `on:<queue>`: the children that are on the line, waiting or not, until when,
- `more:<queue>`: doorbells for the next of them, where each slot is on the line,
- `held`: queues and circuits that a dispatcher decides for, until when.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from redis import Redis
from redis.commands.core import Script

from celeriac.core import broker
from celeriac.settings import conf

PREFIX = "celeriac:line:"
#: Milliseconds for which an offer is good; the child renews it twice as often.
OFFER_MS = 500
#: Seconds after which a child that was not heard of is no longer on the line.
ON_SECONDS = 2.0
#: Seconds for which a dispatcher's holds are good.
HELD_SECONDS = 3.0
#: More ids than any dispatcher puts into one doorbell.
MOST_IDS = 1_000
#: Jobs of one transaction that may be handed over; more are a backlog.
MOST_HANDED = 8
#: Places of dead children that are passed over in search of one that is good.
MOST_DEAD = 100

#: Seconds that a key of the line is kept once nobody writes it any more.
KEPT_SECONDS = 60

_SOURCES = Path(__file__).parent / "lua"
_CONSTANTS = (
    f"local line, offer_ms, on_seconds = '{PREFIX}', {OFFER_MS}, {ON_SECONDS}\n"
    f"local held_seconds, most_dead, kept_seconds = {HELD_SECONDS}, {MOST_DEAD}, {KEPT_SECONDS}\n"
)


def _script(name: str) -> Script:
    parts = [(_SOURCES / f"{part}.lua").read_text() for part in ("common", name)]
    unbound: Any = None  # each call says by which client
    return Script(unbound, (_CONSTANTS + "\n".join(parts)).encode())


OFFER, LEAVE, HAND_OVER, RING, HOLD = map(_script, ("offer", "leave", "hand_over", "ring", "hold"))


class FreshJob(NamedTuple):
    """A job that was just written, is due at once and may be handed over."""

    id: UUID
    kind: str
    queue: str
    priority: int
    run_at: float  # epoch seconds
    circuit: str


class LineState(NamedTuple):
    """What a dispatcher knows of its queues: their slots, and what nobody may hand over."""

    slots: dict[str, int]
    held: frozenset[str]


def is_open() -> bool:
    """Return whether there may be a line: it needs the Redis that nudges go through."""
    return conf.OPEN_LINE and bool(conf.NUDGE_URL)


def own(name: str) -> str:
    """Return how a queue or circuit of this project is called on the line."""
    return f"{broker.key_prefix()}{name}"


def held_queue(name: str) -> str:
    """Return how a queue is called among what is held."""
    return f"queue {own(name)}"


def held_circuit(name: str) -> str:
    """Return how a circuit is called among what is held."""
    return f"circuit {own(name)}"


def encode_doorbell(kind: str, ids: Iterable[UUID]) -> str:
    """Return a doorbell as it lies in a mailbox."""
    return json.dumps([kind, *map(str, ids)], separators=(",", ":"))


def decode_doorbell(text: str | bytes) -> tuple[str, list[UUID]]:
    """Return the kind and the ids of a doorbell; ValueError where it is none."""
    try:
        kind, *ids = json.loads(text)
        if not isinstance(kind, str) or not 0 < len(ids) <= MOST_IDS:
            raise ValueError(f"a doorbell of {len(ids)} ids")
        return kind, [UUID(job_id) for job_id in ids]
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no doorbell: {error!r}") from error


def hand_over(
    client: Redis, jobs: Sequence[FreshJob], *, channel: str, nudge: str, rest: str
) -> list[str]:
    """Hand `jobs` to children that wait; publish `nudge` where any is left, else `rest` if given.

    Returns the queue of each that was handed over. Raises RedisError.
    """
    args = [channel, nudge, rest]
    for job in jobs:
        circuit = job.circuit and own(job.circuit)
        args += own(job.queue), circuit, encode_doorbell(job.kind, [job.id])
    handed = HAND_OVER(args=args, client=client)
    return [job.queue for job, given in zip(jobs, handed, strict=True) if given]


def ring(
    client: Redis, doorbells: Sequence[tuple[str, str]], slots: Mapping[str, int]
) -> tuple[list[bool], list[tuple[str, str]]]:
    """Put doorbells (queue, encoded) onto the line; `slots` are those of each queue.

    Returns which of them are there, and doorbells that were and must be sent some other way, since
    not every slot of their queue is on the line any more. Raises RedisError.
    """
    items: list[str | int] = [len(slots)]
    for queue, count in slots.items():
        items += own(queue), count
    for queue, doorbell in doorbells:
        items += own(queue), doorbell
    taken, back = RING(args=items, client=client)
    prefix = own("")
    returned = [(_text(queue).removeprefix(prefix), _text(doorbell)) for queue, doorbell in back]
    return [bool(each) for each in taken], returned


def hold(client: Redis, held: Collection[str], released: Collection[str]) -> None:
    """Say for which queues and circuits nothing may be handed over, or again. Raises RedisError."""
    HOLD(args=[len(held), *held, *released], client=client)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
