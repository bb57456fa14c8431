"""What a nudge says, and how it is written on the wire; what comes from there is not trusted."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from celeriac.jobs.open_line import MOST_HANDED, FreshJob

#: More ids than this in one message are left to the dispatcher's own search.
MOST_IDS = 2_000
#: Bytes of a message that may come from us; keys and names are as long as the ledger lets them be.
LONGEST = 1 << 20
_LONGEST_NAME = 500
#: Epoch seconds from 1970 to 9999.
_LAST_MOMENT = 253_402_300_799.0


@dataclass(slots=True)
class Nudge:
    """What may be worth a look: queues with priority and earliest run_at (epoch), ids, locks."""

    queues: dict[str, dict[int, float]] = field(default_factory=dict)
    ids: set[UUID] = field(default_factory=set)
    locks: set[str] = field(default_factory=set)
    #: Groups of flows that may be closed, and events.
    nodes: set[UUID] = field(default_factory=set)
    workers: bool = False
    #: Jobs that may go straight to a child that waits: see open_line.py.
    fresh: list[FreshJob] = field(default_factory=list)
    #: Messages may have been missed: look everywhere.
    missed: bool = False
    #: Whose ear this tries, and nothing else: see nudge_listener.py.
    canary: str = ""

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(self.nodes) or self.asks_for_round

    @property
    def asks_for_round(self) -> bool:
        """Whether it says anything of what a round looks at."""
        return bool(
            self.queues or self.ids or self.locks or self.workers or self.missed or self.fresh
        )

    def add(self, queue: str, priority: int, run_at: float) -> None:
        """Note that a job of that queue and priority is due at `run_at`."""
        levels = self.queues.setdefault(queue, {})
        levels[priority] = min(run_at, levels.get(priority, run_at))

    def merge(self, other: "Nudge") -> None:
        """Take in another's news."""
        for queue, levels in other.queues.items():
            self.queues.setdefault(queue, {})
            for priority, run_at in levels.items():
                self.add(queue, priority, run_at)
        self.ids |= other.ids
        self.locks |= other.locks
        self.nodes |= other.nodes
        self.workers |= other.workers
        self.missed |= other.missed
        self.fresh += other.fresh
        if len(self.fresh) > MOST_HANDED:
            self.add_jobs(self.fresh)
            self.fresh = []

    def add_jobs(self, jobs: Iterable[FreshJob]) -> None:
        """Note that jobs wait as any other does."""
        for job in jobs:
            self.add(job.queue, job.priority, job.run_at)

    def encode(self) -> str:
        """Return the message on the wire."""
        return json.dumps(
            {
                "queues": {name: list(levels.items()) for name, levels in self.queues.items()},
                "ids": [str(job_id) for job_id in list(self.ids)[:MOST_IDS]],
                "locks": sorted(self.locks),
                "workers": self.workers,
                **({"nodes": list(map(str, list(self.nodes)[:MOST_IDS]))} if self.nodes else {}),
                **({"canary": self.canary} if self.canary else {}),
            },
            separators=(",", ":"),
        )

    @classmethod
    def decode(cls, text: str | bytes) -> "Nudge":
        """Return what a message says; ValueError where it is none of ours, in any part."""
        if len(text) > LONGEST:
            raise ValueError(f"a nudge of {len(text)} bytes")
        try:
            return cls._read(json.loads(text))
        except (AttributeError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"no nudge: {error!r}") from error

    @classmethod
    def _read(cls, values: dict[str, Any]) -> "Nudge":
        ids, locks = values.get("ids", ()), values.get("locks", ())
        nudge = cls(
            ids={UUID(job_id) for job_id in ids[:MOST_IDS]},
            locks={_name(lock) for lock in locks},
            nodes={UUID(node) for node in values.get("nodes", ())[:MOST_IDS]},
            workers=bool(values.get("workers")),
            canary=_name(values.get("canary", "")),
        )
        for queue, levels in values.get("queues", {}).items():
            nudge.queues.setdefault(_name(queue), {})
            for priority, run_at in levels:
                nudge.add(queue, _priority(priority), _moment(run_at))
        return nudge


def _name(value: object) -> str:
    """Return a name or key that the ledger could hold; ValueError where it could not."""
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or "\0" in value:
        raise ValueError(f"no name: {value!r:.100}")
    value.encode()  # half a surrogate pair is no text
    return value


def _priority(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -100 <= value <= 100:
        raise ValueError(f"no priority: {value!r:.100}")
    return value


def _moment(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"no time: {value!r:.100}")
    if not (math.isfinite(value) and 0 <= value <= _LAST_MOMENT):
        raise ValueError(f"no time: {value!r:.100}")
    return float(value)
