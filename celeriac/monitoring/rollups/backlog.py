"""What the queues hold now: how many wait, for what, and since when.

The dashboard looks at the first few thousand of each queue, whatever stands behind them;
the minute's sample at (nearly) all. Both go by the due index, the oldest job by one probe
for each priority.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import fetch_rows
from celeriac.jobs.dispatching.admission import LEVELS
from celeriac.jobs.holds import HOLDS, HoldReason, hold_parameters, parking_code
from celeriac.jobs.models import Queue
from celeriac.settings import conf


def waiting_statement(reasons: Sequence[HoldReason]) -> str:
    """Return the query for what waits in each queue, by which of `reasons` parks it."""
    return f"""
WITH moment AS MATERIALIZED (SELECT {NOW} AS now),
waiting AS (
    SELECT j.queue, j.kind, j.run_at <= moment.now AS due, j.attempt > 0 AS again,
           extract(epoch FROM moment.now - j.run_at)::float8 AS age,
           {parking_code(reasons)} AS reason
    FROM unnest(%(queues)s::text[]) AS q(queue)
    CROSS JOIN moment
    CROSS JOIN LATERAL (
        SELECT * FROM {tables.JOB}
        WHERE state = 'queued' AND queue = q.queue
        ORDER BY priority DESC, run_at, id LIMIT %(most)s
    ) j
)
SELECT queue, reason, kind, due, again, count(*), max(age) FROM waiting GROUP BY 1, 2, 3, 4, 5
"""


#: The oldest due job of each queue.
OLDEST = f"""
{LEVELS}
SELECT l.queue, extract(epoch FROM {NOW} - min(first.run_at))::float8
FROM levels l CROSS JOIN LATERAL (
    SELECT run_at FROM {tables.JOB}
    WHERE state = 'queued' AND queue = l.queue AND priority = l.priority
    ORDER BY run_at LIMIT 1
) first
WHERE l.priority IS NOT NULL GROUP BY l.queue
"""

RUNNING = f"SELECT queue, count(*) FROM {tables.JOB} WHERE state = 'running' GROUP BY queue"


@dataclass(frozen=True, slots=True)
class Parked:
    """How many jobs of a queue something holds back: `by` names the queue or the circuit."""

    reason: str
    by: str
    count: int


@dataclass(slots=True)
class Backlog:
    """What one queue holds. Counts beyond the limit they were taken with are `at_least`."""

    queue: str
    queued: int = 0
    scheduled: int = 0
    retrying: int = 0
    running: int = 0
    #: Age in seconds of the oldest due job.
    oldest: float = 0.0
    #: The same of those jobs that nothing holds back, as far as somebody looked.
    oldest_free: float = 0.0
    at_least: bool = False
    parked: list[Parked] = field(default_factory=list)

    @property
    def held(self) -> int:
        """How many are parked."""
        return sum(each.count for each in self.parked)

    @property
    def waiting(self) -> int:
        """How many are queued, whatever for."""
        return self.queued + self.scheduled + self.retrying + self.held


def read_backlogs(*, most: int, reasons: Sequence[HoldReason] = HOLDS) -> list[Backlog]:
    """Return each queue's backlog, by name, looking at no more than `most` jobs of each."""
    by_code = {reason.code: reason for reason in reasons}
    names = set(conf.QUEUES) | set(Queue.objects.values_list("name", flat=True))
    found = {name: Backlog(name) for name in sorted(names)}
    rows = fetch_rows(waiting_statement(reasons), backlog_parameters(list(found), most))
    for queue, code, kind, due, again, count, age in rows:
        if code:
            by = by_code[code].by(queue, kind)
            found[queue].parked.append(Parked(code, by, count))
            continue
        _add(found[queue], due, again, count)
        if due:
            found[queue].oldest_free = max(found[queue].oldest_free, age)
    for queue, oldest in fetch_rows(OLDEST, {"queues": list(found)}):
        found[queue].oldest = max(0.0, oldest)
    for queue, count in fetch_rows(RUNNING, {}):
        found.setdefault(queue, Backlog(queue)).running = count
    for backlog in found.values():
        backlog.at_least = backlog.waiting >= most
    return list(found.values())


def backlog_parameters(queues: Sequence[str], most: int) -> dict[str, Any]:
    """Return the parameters of `waiting_statement`."""
    return {"queues": list(queues), "most": most} | hold_parameters()


def _add(backlog: Backlog, due: bool, again: bool, count: int) -> None:
    if again:
        backlog.retrying += count
    elif due:
        backlog.queued += count
    else:
        backlog.scheduled += count
