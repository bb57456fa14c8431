"""How much one stage measures."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Self

#: Seconds of a run of `bench.tailed`, and of one in so many.
SHORT, LONG, EVERY = 0.002, 5.0, 500


def is_long(number: int) -> bool:
    """Return whether the job is one of the few that take long."""
    return number % EVERY == EVERY // 2


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a stage; times in seconds."""

    row: str
    backlog: int
    prefetch: int
    warm_up: int = 400
    #: Before each phase, for what the last one left behind.
    rest: float = 1.0
    #: How long jobs are enqueued one by one; part of the backlog. 0 leaves it out.
    enqueue_seconds: float = 2.0
    #: Jobs enqueued one at a time into an idle system; 0 leaves it out.
    latency_jobs: int = 300
    latency_gap: float = 0.02
    #: How long a steady load lasts.
    seconds: float = 30.0
    #: Transactions a second of a foreign load, and the URL of its database.
    neighbour_rate: float = 0.0
    neighbour_url: str = ""
    #: What is recorded meanwhile, `stacks` or `calls`, and of which phase: `drain`, `latency` or
    #: `steady`: see `bench.profile`.
    record: str = ""
    phase: str = ""

    @classmethod
    def load(cls, text: str) -> Self:
        """Return the plan that `dump` wrote."""
        return cls(**json.loads(text))

    def dump(self) -> str:
        """Return the plan as text."""
        return json.dumps(asdict(self))

    def drain_only(self, prefetch: int) -> Self:
        """Return the plan of a short drain: to choose a flag by."""
        backlog = max(200, self.backlog // 2)
        return replace(
            self, backlog=backlog, prefetch=prefetch, enqueue_seconds=0.0, latency_jobs=0
        )
