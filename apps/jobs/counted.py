"""What the ledger counts for /metrics: jobs enqueued, rung, run, rescued, and refused writes.

Nothing here asks the database, and a doorbell's runs are counted together.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, transaction

from apps.core.counting import counts
from apps.core.counting.counts import Series
from apps.jobs.running.settle import Entry, Settled
from apps.jobs.states import State, Verb

ENQUEUED = "celeriac_jobs_enqueued_total"
RUNS = "celeriac_runs_total"
RUN_SECONDS = "celeriac_run_seconds"
WAIT_SECONDS = "celeriac_wait_seconds"
RINGS = "celeriac_rings_total"
STALE = "celeriac_stale_writes_total"
RESCUED = "celeriac_rescued_total"

#: How a run ended. A release is no run: it is as if the job had never been claimed.
_OUTCOMES = {
    Verb.COMPLETE: "succeeded",
    Verb.RETRY: "failed",
    Verb.GIVE_UP: "dead",
    Verb.SNOOZE: "snoozed",
    Verb.RESCUE: "lost",
    Verb.STOP: "cancelled",
}
_OVERTAKEN = {State.CANCELLED: "cancelled", State.DEAD: "dead"}


def enqueued(jobs: Iterable[tuple[str, str]]) -> None:
    """Count new jobs, by kind and queue, once the open transaction commits."""
    if not connection.in_atomic_block:
        _add_all(Counter(jobs))
        return
    waiting: Counter[tuple[str, str]] | None = _waiting(connection)
    if waiting is not None:
        waiting.update(jobs)
        return
    news = Counter(jobs)

    def hook() -> None:
        _add_all(news)

    transaction.on_commit(hook, robust=True)
    connection._celeriac_enqueued = (news, hook)  # type: ignore[attr-defined] # ours, on Django's object


def ended(
    settled: Iterable[Settled],
    entries: Sequence[Entry],
    waits: dict[Any, float] | None = None,
) -> None:
    """Count how runs ended, and how long they took; `waits` are seconds by job."""
    by_id = {entry.job_id: entry for entry in entries}
    runs: dict[Series, list[Entry]] = {}
    stale = rescued = 0
    for row in settled:
        entry = by_id[row.job_id]
        if row.state is None:
            stale += 1
            continue
        rescued += entry.outcome.verb is Verb.RESCUE
        outcome = _outcome(row.state, entry)
        if outcome:
            runs.setdefault((RUNS, row.kind, row.queue, outcome), []).append(entry)
    for series, group in runs.items():
        _add_runs(series, group, waits or {})
    for name, number in ((STALE, stale), (RESCUED, rescued)):
        if number:
            counts.add((name,), number)


def rung(queue: str, jobs: int) -> None:
    """Count jobs that were rung; one that is rung again counts again."""
    counts.add((RINGS, queue), jobs)


def _add_runs(series: Series, group: list[Entry], waits: dict[Any, float]) -> None:
    _, kind, queue, _ = series
    counts.add(series, len(group))
    if taken := [entry.seconds for entry in group if entry.seconds is not None]:
        counts.observe((RUN_SECONDS, kind), taken)
    if waited := [waits[entry.job_id] for entry in group if entry.job_id in waits]:
        counts.observe((WAIT_SECONDS, kind, queue), waited)


def _outcome(state: State, entry: Entry) -> str | None:
    verb = entry.settlement.verb
    if verb is Verb.RELEASE:
        return None
    if verb is Verb.SNOOZE and entry.settlement.circuit and state is State.QUEUED:
        return "parked"
    return _OVERTAKEN.get(state) or _OUTCOMES[verb]


def _add_all(news: Counter[tuple[str, str]]) -> None:
    for (kind, queue), number in news.items():
        counts.add((ENQUEUED, kind, queue), number)


def _waiting(open_connection: Any) -> Counter[tuple[str, str]] | None:  # noqa: ANN401 Django's
    """Return what waits for the same commit: a savepoint's rollback takes its own back only."""
    found = getattr(open_connection, "_celeriac_enqueued", None)
    hooks = open_connection.run_on_commit
    if found is None or not hooks or hooks[-1][1] is not found[1]:
        return None
    news: Counter[tuple[str, str]] = found[0]
    return news if hooks[-1][0] == set(open_connection.savepoint_ids) else None
