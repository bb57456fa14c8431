"""Queue leases: which dispatcher rings for which queue.

A lease is a mark on the queue's row, by the database's clock, and renewed. It only
divides the work: two holders for a moment ring twice, which claims make harmless.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import execute
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.running import prepared
from celeriac.settings import conf

_UNTIL = f"{NOW} + make_interval(secs => %(lease)s)"

#: Renews what is held, and says who holds what. Without the wanted names: there may be thousands,
#: and the others are few.
RENEW = f"""
WITH renewed AS (UPDATE {tables.QUEUE} SET lease_until = {_UNTIL} WHERE holder = %(me)s)
SELECT name, CASE WHEN holder = %(me)s OR lease_until > {NOW} THEN holder END
FROM {tables.QUEUE} ORDER BY name
"""

#: Takes queues that are free, or still held by whom they were seen with.
TAKE = f"""
WITH mine AS (
    SELECT q.name FROM {tables.QUEUE} q
    JOIN unnest(%(queues)s::text[], %(holders)s::uuid[]) AS seen(name, holder)
      ON seen.name = q.name
    WHERE q.holder IS NULL OR q.lease_until IS NULL OR q.lease_until <= {NOW}
       OR q.holder = seen.holder
    ORDER BY q.name
    FOR UPDATE OF q SKIP LOCKED
)
UPDATE {tables.QUEUE} q SET holder = %(me)s, holder_name = %(name)s, lease_until = {_UNTIL}
FROM mine WHERE q.name = mine.name
RETURNING q.name
"""

RELEASE = f"""
UPDATE {tables.QUEUE} SET holder = NULL, holder_name = '',
    lease_until = NULL WHERE holder = %(me)s
"""


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases of one dispatcher, on `queues` only (all where None)."""

    me: UUID
    name: str
    queues: frozenset[str] | None = None

    def renew(self) -> None:
        """Renew what is held, take what is free, and a fair share of what others hold."""
        found = prepared.fetch_rows(RENEW, self._parameters(), slow=True)
        wanted = set(self.wanted())
        taken = to_take(self.me, {name: holder for name, holder in found if name in wanted})
        if taken:
            names, holders = list(taken), list(taken.values())
            execute(TAKE, self._parameters(queues=names, holders=holders, name=self.name))

    def release(self) -> None:
        """Give everything up."""
        execute(RELEASE, self._parameters())

    def wanted(self) -> list[str]:
        """Return the declared queues that this dispatcher is there for."""
        return [name for name in queue_names() if self.queues is None or name in self.queues]

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"me": self.me, "lease": conf.QUEUE_LEASE_SECONDS, **values}


def to_take(me: UUID, holders: dict[str, UUID | None]) -> dict[str, UUID | None]:
    """Return the queues to take, each with the holder it was seen with.

    Free ones first, up to a fair share and one more a turn, so that nobody's queue
    waits for a dispatcher that does not come. Then one at a time from whoever holds
    most, while that evens things out: nothing moves to and fro.
    """
    held: dict[UUID, list[str]] = {me: []}
    free: dict[str, UUID | None] = {}
    for queue, holder in holders.items():
        if holder is None:
            free[queue] = None
        else:
            held.setdefault(holder, []).append(queue)
    share = -(-len(holders) // len(held))
    count = max(share - len(held[me]), 1)
    taken = dict(list(free.items())[:count])
    others = {holder: queues for holder, queues in held.items() if holder != me}
    while others and not free:
        victim = max(others, key=lambda holder: (len(others[holder]), holder))
        if len(others[victim]) < len(held[me]) + len(taken) + 2:
            break
        taken[others[victim].pop()] = victim
    return taken
