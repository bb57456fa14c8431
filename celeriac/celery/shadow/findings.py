"""What the shadow's notes come to: message by message, then task by task.

A message is a task's id and its retry. Calls, starts and the caller's transaction are compared;
what the notes do not decide is unknown, with its reason, and never taken for well.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from celeriac.celery.shadow.noting import THROWN_AWAY
from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import fetch_rows

LOST, DOUBLED, EARLY, UNDONE = "lost", "doubled", "started before its commit", "rolled back"
UNKNOWN, WAITING = "unknown", "waiting"
_UNKEPT = "its transaction committed, and it was not sent: its process died before"
#: Messages with something to be said that are read at most.
MOST = 100_000

_PAIRED = f"""
WITH calls AS (
    SELECT task, task_id, retries, count(*) AS calls, min(called_at) AS called_at,
        max(eta) AS eta, min(site) AS site,
        max(CASE
            WHEN committed THEN 'committed'
            WHEN NOT committed THEN 'aborted'
            WHEN xid IS NULL THEN ''
            WHEN in_savepoint AND pg_xact_status(xid::text::xid8) = 'committed' THEN 'unknown'
            ELSE coalesce(pg_xact_status(xid::text::xid8), 'unknown')
        END) AS ended
    FROM {tables.SHADOW_CALL}
    WHERE called_at >= %(since)s AND NOT promised GROUP BY task, task_id, retries
), runs AS (
    SELECT task, task_id, retries, min(started_at) AS started_at,
        count(*) FILTER (WHERE outcome <> %(thrown)s) AS starts,
        count(*) FILTER (WHERE outcome = %(thrown)s) AS thrown,
        bool_or(transaction = 'in progress') AS early,
        bool_or(transaction = 'unknown') AS unsure
    FROM {tables.SHADOW_RUN} r
    WHERE started_at >= %(since)s AND NOT EXISTS (
        SELECT FROM {tables.SHADOW_CALL} before
        WHERE before.task_id = r.task_id AND before.retries = r.retries
          AND before.called_at < %(since)s AND NOT before.promised)
    GROUP BY task, task_id, retries
), paired AS (
    SELECT coalesce(c.task, r.task) AS task, coalesce(c.task_id, r.task_id) AS task_id,
        coalesce(c.retries, r.retries) AS retries, coalesce(c.calls, 0) AS calls,
        coalesce(r.starts, 0) AS starts, coalesce(r.thrown, 0) AS thrown,
        coalesce(r.early, false) AS early, coalesce(r.unsure, false) AS unsure,
        coalesce(c.ended, '') AS ended, coalesce(c.site, '') AS site,
        coalesce(c.called_at, r.started_at) AS at,
        greatest(c.called_at, c.eta) > {NOW} - make_interval(secs => %(settled)s) AS is_young
    FROM calls c FULL JOIN runs r USING (task, task_id, retries)
)
"""
_SUMS = f"{_PAIRED} SELECT task, sum(calls), sum(starts) FROM paired GROUP BY task ORDER BY task"
_NOTABLE = f"""{_PAIRED}
SELECT * FROM paired
WHERE starts + thrown <> calls OR early OR unsure OR ended NOT IN ('', 'committed')
ORDER BY at, task_id LIMIT {MOST}
"""
_SIZES = f"""
SELECT task, max(args_bytes) FROM {tables.SHADOW_CALL}
WHERE called_at >= %(since)s GROUP BY task
"""
#: Calls that were to be sent after their commit, which came, and never were.
_BROKEN_PROMISES = f"""
SELECT task, task_id, called_at, site FROM {tables.SHADOW_CALL} p
WHERE promised AND called_at >= %(since)s
  AND called_at < {NOW} - make_interval(secs => %(settled)s)
  AND pg_xact_status(xid::text::xid8) = 'committed' AND committed IS DISTINCT FROM false
  AND NOT EXISTS (
      SELECT FROM {tables.SHADOW_CALL} c WHERE c.task_id = p.task_id AND NOT c.promised)
ORDER BY called_at LIMIT {MOST}
"""


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing to be said of one message."""

    what: str
    task_id: str
    retries: int
    at: datetime
    site: str
    why: str = ""


@dataclass(slots=True)
class TaskShadow:
    """What was seen of one task."""

    task: str
    calls: int = 0
    starts: int = 0
    largest: int | None = None
    findings: list[Observation] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """Return how many messages each was said of."""
        return Counter(finding.what for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Message:
    """A row of `paired`."""

    task: str
    task_id: str
    retries: int
    calls: int
    starts: int
    thrown: int
    early: bool
    unsure: bool
    ended: str
    site: str
    at: datetime
    is_young: bool | None


def read_shadow(
    since: datetime,
    *,
    waiting: Callable[[], set[str] | None],
    chosen: Callable[[str], bool] = lambda name: True,
    settled: float = 30.0,
) -> list[TaskShadow]:
    """Return what the notes since a moment say of each chosen task.

    `waiting` returns the ids of messages that are on their way, None where nobody can tell. A call
    that is younger than `settled` seconds, or whose time has not come, waits.
    """
    parameters = {"since": since, "settled": settled, "thrown": THROWN_AWAY}
    found: dict[str, TaskShadow] = {}
    for task, calls, starts in fetch_rows(_SUMS, parameters):
        found[task] = TaskShadow(task, int(calls), int(starts))
    for task, largest in fetch_rows(_SIZES, parameters):
        found.setdefault(task, TaskShadow(task)).largest = largest
    messages = [_Message(*row) for row in fetch_rows(_NOTABLE, parameters)]
    # Asked after the notes were read: what left the broker before has its start among them, or
    # is looked for once more.
    on_their_way = waiting()
    started = _started_since(messages, parameters)
    last_gap = fetch_rows(f"SELECT max(at) FROM {tables.SHADOW_GAP}")[0][0]
    for message in messages:
        later = (message.task_id, message.retries) in started
        found[message.task].findings += _findings(
            message, on_their_way, last_gap, has_started=later
        )
    for task, task_id, at, site in fetch_rows(_BROKEN_PROMISES, parameters):
        each = found.setdefault(task, TaskShadow(task))
        each.findings.append(Observation(LOST, task_id, 0, at, site, _UNKEPT))
    return [each for name, each in sorted(found.items()) if chosen(name)]


def _started_since(messages: list[_Message], parameters: dict[str, Any]) -> set[tuple[str, int]]:
    """Return those that had no start, and have one now."""
    missing = [each.task_id for each in messages if each.starts + each.thrown < each.calls]
    rows = fetch_rows(
        f"SELECT task_id, retries FROM {tables.SHADOW_RUN} WHERE task_id = ANY(%(ids)s)",
        {"ids": missing},
    )
    before = {(each.task_id, each.retries) for each in messages if each.starts + each.thrown}
    return {(row[0], row[1]) for row in rows} - before


def _findings(
    message: _Message,
    on_their_way: set[str] | None,
    last_gap: datetime | None,
    *,
    has_started: bool,
) -> Iterator[Observation]:
    def say(what: str, why: str = "") -> Observation:
        return Observation(what, message.task_id, message.retries, message.at, message.site, why)

    done = message.starts + message.thrown
    if done < message.calls and not has_started:
        if message.is_young or message.task_id in (on_their_way or ()):
            yield say(WAITING)
        elif on_their_way is None:
            yield say(UNKNOWN, "it has not started, and the broker does not say what it holds")
        elif last_gap is not None and last_gap >= message.at:
            yield say(UNKNOWN, "notes were lost after it was called: its start may be among them")
        else:
            yield say(LOST)
    elif message.calls == 0:
        yield say(UNKNOWN, "it started, and its call was not noted: it was sent from elsewhere")
        if message.starts > 1:
            yield say(DOUBLED)
    elif message.starts > message.calls:
        yield say(DOUBLED)
    if message.early:
        yield say(EARLY)
    elif message.unsure and message.calls:
        yield say(UNKNOWN, "how its caller's transaction stood when it started was not noted")
    if message.ended == "aborted":
        yield say(UNDONE, "it ran all the same" if message.starts else "it did not start")
    elif message.ended == "in progress":
        yield say(UNKNOWN, "its caller's transaction is open still")
    elif message.ended == "unknown":
        yield say(UNKNOWN, "whether its caller's transaction was rolled back in part")
