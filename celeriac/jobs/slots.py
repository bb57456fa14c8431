"""Slots: how many jobs of a queue run at a time in one process of its workers.

The option `slots` of a queue says it: `"async:200"` for coroutines, `"threads:50"` for functions
that wait for others; without it a process runs one job at a time.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from celeriac.jobs.errors import JobError
from celeriac.settings import conf

#: More slots than any process can serve.
MOST = 10_000
#: Database connections of a process with many slots besides its jobs': to claim, and to settle.
OWN = 2
#: Those of its jobs on a loop, which need one for a call at a time, not for a run.
ON_LOOP = 20
_FORM = re.compile(r"(async|threads):([1-9][0-9]*)")


class BadSlots(JobError):
    """The option `slots` of a queue can't be read, or those of several queues do not fit."""


@dataclass(frozen=True, slots=True)
class Slots:
    """How the processes of a worker run jobs: `mode` is prefork, threads or async."""

    mode: str = "prefork"
    width: int = 1

    @property
    def are_many(self) -> bool:
        """Whether a process runs several jobs at a time."""
        return self.mode != "prefork"

    @property
    def connections(self) -> int:
        """The most database connections of one process."""
        if not self.are_many:
            return 1
        return OWN + (min(self.width, ON_LOOP) if self.mode == "async" else self.width)

    def __str__(self) -> str:
        return f"{self.mode}:{self.width}" if self.are_many else "one job at a time"


ONE = Slots()


def parse_slots(text: object) -> Slots:
    """Read the option of a queue; BadSlots says what may stand there."""
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None or int(found[2]) > MOST:
        raise BadSlots(f'slots={text!r}: write "async:200" or "threads:50", up to {MOST}.')
    return Slots(found[1], int(found[2]))


def slots_of_queue(name: str) -> Slots:
    """Return how jobs of a queue run; BadSlots where its option can't be read."""
    options: Mapping[str, Any] = conf.QUEUES.get(name, {})
    return parse_slots(options["slots"]) if "slots" in options else ONE


def common_slots(queues: Iterable[str]) -> Slots:
    """Return how a worker of all these queues runs jobs; BadSlots where they do not agree."""
    found = queues_by_slots(queues)
    if len(found) > 1:
        said = "; ".join(f"{', '.join(names)}: {slots}" for slots, names in found.items())
        raise BadSlots(f"These queues need workers of their own: {said}.")
    return next(iter(found), ONE)


def queues_by_slots(queues: Iterable[str]) -> dict[Slots, list[str]]:
    """Return which of the queues fit into one worker: those whose jobs run in the same way."""
    found: dict[Slots, list[str]] = {}
    for name in queues:
        found.setdefault(slots_of_queue(name), []).append(name)
    return found


def slots_of_worker(queues: Iterable[str], slots: int) -> Slots:
    """Return how the processes of a worker that has so many `slots` in all run jobs."""
    try:
        found = common_slots(name for name in queues if name in conf.QUEUES)
    except BadSlots:
        return ONE
    return ONE if slots % found.width else found  # else it was started before the queue had them


def shared_queues() -> list[str]:
    """Return the declared queues whose jobs run many at a time in a process."""
    return [name for name in conf.QUEUES if slots_of_queue(name).are_many]
