"""The open line: places that waiting children offer in the broker, and who takes them.

A child that has answered a doorbell offers a place for all queues of its worker and waits at its
mailbox. A committed job, or a dispatcher's doorbell, takes a free place at once. Nothing here is of
value: what is lost the dispatcher finds by its own look, and what is doubled meets the claim. See
docs/decisions/the-open-line.md.

Each step is one script, so that a place is taken once. Keys, all of them below `celeriac:line:`,
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
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, NamedTuple
from uuid import UUID

from redis import Redis
from redis.exceptions import NoScriptError

from celeriac.core import broker

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

_CLOCK = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
"""
_GIVE = f"""
local function give(queue, doorbell)
  for _ = 1, {MOST_DEAD} do
    local found = redis.call('ZPOPMAX', '{PREFIX}free:' .. queue)
    if #found == 0 then return false end
    if redis.call('DEL', '{PREFIX}place:' .. found[1]) == 1 then
      redis.call('RPUSH', '{PREFIX}mail:' .. found[1], doorbell)
      redis.call('EXPIRE', '{PREFIX}mail:' .. found[1], 60)
      return true
    end
  end
  return false
end
"""
_TAKE_MORE = f"""
local function take_more(first)
  for i = first, #ARGV do
    local doorbell = redis.call('LPOP', '{PREFIX}more:' .. ARGV[i])
    if doorbell then return doorbell end
  end
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script that the server knows by its digest once it has seen it."""

    text: str

    @property
    def digest(self) -> str:
        """What the server calls it."""
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: Redis, *args: str | int) -> Any:
        """Run it; RedisError where the server can't."""
        try:
            return client.evalsha(self.digest, 0, *args)
        except NoScriptError:
            return client.eval(self.text, 0, *args)


#: ARGV: the child, whether it says that it is on the line, its queues.
OFFER = Script(
    f"""{_CLOCK}{_TAKE_MORE}
local child = ARGV[1]
if ARGV[2] == '1' then
  for i = 3, #ARGV do
    redis.call('ZADD', '{PREFIX}on:' .. ARGV[i], now + {ON_SECONDS}, child)
    redis.call('ZREMRANGEBYSCORE', '{PREFIX}on:' .. ARGV[i], '-inf', now)
    redis.call('ZREMRANGEBYSCORE', '{PREFIX}free:' .. ARGV[i], '-inf', now - {OFFER_MS / 1000})
    redis.call('EXPIRE', '{PREFIX}on:' .. ARGV[i], 60)
  end
end
local mail = '{PREFIX}mail:' .. child
local there = redis.call('LLEN', mail)
if there > 0 then there = there - redis.call('LREM', mail, 0, '') end
local doorbell = there == 0 and take_more(3)
if doorbell then
  redis.call('RPUSH', mail, doorbell)
  redis.call('EXPIRE', mail, 60)
end
if doorbell or there > 0 then
  redis.call('DEL', '{PREFIX}place:' .. child)
  return 1
end
redis.call('SET', '{PREFIX}place:' .. child, 1, 'PX', {OFFER_MS})
for i = 3, #ARGV do
  redis.call('ZADD', '{PREFIX}free:' .. ARGV[i], now, child)
  redis.call('EXPIRE', '{PREFIX}free:' .. ARGV[i], 60)
end
return 0
"""
)
#: ARGV: the child, whether it waits at its mailbox, its queues. Withdraws the child's place and
#: returns what lies in its mailbox; a child that waits there is woken by an empty doorbell instead.
LEAVE = Script(
    f"""
local child = ARGV[1]
local mail = '{PREFIX}mail:' .. child
redis.call('DEL', '{PREFIX}place:' .. child)
for i = 3, #ARGV do
  redis.call('ZREM', '{PREFIX}free:' .. ARGV[i], child)
  redis.call('ZREM', '{PREFIX}on:' .. ARGV[i], child)
end
if ARGV[2] == '0' then
  redis.call('LREM', mail, 0, '')
  return redis.call('LPOP', mail)
end
if redis.call('LLEN', mail) == 0 then
  redis.call('RPUSH', mail, '')
  redis.call('EXPIRE', mail, 60)
end
"""
)
#: ARGV: the channel, the nudge that is due where not all were handed over, the one that is due
#: where all were, then queue, circuit and doorbell of each. Returns how many were handed over.
HAND_OVER = Script(
    f"""{_CLOCK}{_GIVE}
local function held(name)
  local till = redis.call('ZSCORE', '{PREFIX}held', name)
  return till and tonumber(till) > now
end
local handed, jobs = 0, 0
for i = 4, #ARGV, 3 do
  jobs = jobs + 1
  local guarded = ARGV[i + 1] ~= '' and held('circuit ' .. ARGV[i + 1])
  local stays = guarded or held('queue ' .. ARGV[i])
  if not stays and give(ARGV[i], ARGV[i + 2]) then handed = handed + 1 end
end
local nudge = handed == jobs and ARGV[3] or ARGV[2]
if nudge ~= '' then redis.call('PUBLISH', ARGV[1], nudge) end
return handed
"""
)
#: ARGV: how many queues, then each with its slots, then queue and doorbell of each. Returns which
#: of the doorbells are on the line (1 or 0), and the overflow of queues that have a slot elsewhere.
RING = Script(
    f"""{_CLOCK}{_GIVE}
local queues, whole, none, taken, back = tonumber(ARGV[1]), {{}}, {{}}, {{}}, {{}}
for i = 2, 2 * queues, 2 do
  local on = redis.call('ZCOUNT', '{PREFIX}on:' .. ARGV[i], now, '+inf')
  whole[ARGV[i]] = tonumber(ARGV[i + 1]) > 0 and on >= tonumber(ARGV[i + 1])
  while not whole[ARGV[i]] do
    local doorbell = redis.call('LPOP', '{PREFIX}more:' .. ARGV[i])
    if not doorbell then break end
    back[#back + 1] = {{ARGV[i], doorbell}}
  end
end
for i = 2 * queues + 2, #ARGV, 2 do
  local queue, doorbell = ARGV[i], ARGV[i + 1]
  local given = not none[queue] and give(queue, doorbell)
  if not given then
    none[queue] = true
    if whole[queue] then
      redis.call('RPUSH', '{PREFIX}more:' .. queue, doorbell)
      redis.call('EXPIRE', '{PREFIX}more:' .. queue, 60)
      given = true
    end
  end
  taken[#taken + 1] = given and 1 or 0
end
return {{taken, back}}
"""
)
#: ARGV: how many names are held, they, and names that no longer are.
HOLD = Script(
    f"""{_CLOCK}
for i = 2, #ARGV do
  if i <= ARGV[1] + 1 then
    redis.call('ZADD', '{PREFIX}held', now + {HELD_SECONDS}, ARGV[i])
  else
    redis.call('ZREM', '{PREFIX}held', ARGV[i])
  end
end
redis.call('EXPIRE', '{PREFIX}held', 60)
"""
)


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
) -> int:
    """Hand `jobs` to children that wait; publish `nudge` where any is left, else `rest` if given.

    Returns how many were handed over. Raises RedisError.
    """
    items: list[str] = []
    for job in jobs:
        circuit = job.circuit and own(job.circuit)
        items += own(job.queue), circuit, encode_doorbell(job.kind, [job.id])
    return int(HAND_OVER.run(client, channel, nudge, rest, *items))


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
    taken, back = RING.run(client, *items)
    prefix = own("")
    returned = [(_text(queue).removeprefix(prefix), _text(doorbell)) for queue, doorbell in back]
    return [bool(each) for each in taken], returned


def hold(client: Redis, held: Collection[str], released: Collection[str]) -> None:
    """Say for which queues and circuits nothing may be handed over, or again. Raises RedisError."""
    HOLD.run(client, len(held), *held, *released)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
