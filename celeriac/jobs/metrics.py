"""What the ledger counts for /metrics: jobs enqueued, rung, run, rescued, and refused writes.

Nothing here asks the database, and a doorbell's runs are counted together.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from celeriac.core.counting import counters
from celeriac.core.counting.counters import Series
from celeriac.jobs.callbacks.sql import KIND as CALLBACK_KIND, QUEUE as CALLBACK_QUEUE
from celeriac.jobs.outcomes import Settlement
from celeriac.jobs.running.run import Run
from celeriac.jobs.states import ENDINGS, State, Verb

ENQUEUED = "celeriac_jobs_enqueued_total"
RUNS = "celeriac_runs_total"
RUN_SECONDS = "celeriac_run_seconds"
WAIT_SECONDS = "celeriac_wait_seconds"
RINGS = "celeriac_rings_total"
STALE = "celeriac_stale_writes_total"
RESCUED = "celeriac_rescued_total"
ANSWERS = "celeriac_answers_total"
HOOKS_FAILED = "celeriac_commit_hooks_failed_total"

#: How a run ended. A release is no run: it is as if the job had never been claimed.
_OUTCOMES = {
    Verb.COMPLETE: "succeeded",
    Verb.RETRY: "failed",
    Verb.GIVE_UP: "dead",
    Verb.SNOOZE: "snoozed",
    Verb.RESCUE: "lost",
    Verb.STOP: "cancelled",
}
_OVERTAKEN = {each.state: each.state.value for each in ENDINGS if not each.has_result}


def count_enqueued(jobs: Iterable[tuple[str, str]]) -> None:
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


def count_callbacks(callbacks: int) -> None:
    """Count callbacks that a statement enqueued, once the open transaction commits."""
    if callbacks:
        count_enqueued([(CALLBACK_KIND, CALLBACK_QUEUE)] * callbacks)


def count_ended(runs: Iterable[Run]) -> None:
    """Count how runs ended, how long they took, and how many seconds ours had waited."""
    groups: dict[Series, tuple[list[float], list[float], list[None]]] = {}
    stale = rescued = 0
    for run in runs:
        settled, settlement = run.settled, run.settlement
        if settled is None:
            continue
        if settled.state is None:
            stale += 1
            continue
        rescued += settlement.losses
        done = settled.state is State.SUCCEEDED
        outcome = "succeeded" if done else _outcome(settled.state, settlement)
        if outcome is None:
            continue
        series: Series = (RUNS, run.job.kind, settled.queue, outcome)
        group = groups.get(series)
        if group is None:
            group = groups[series] = ([], [], [])
        group[2].append(None)
        if settlement.seconds is not None:
            group[0].append(settlement.seconds)
        if run.claimed_at:
            group[1].append(run.job.waited + run.started_at - run.claimed_at)
    for series, (taken, waits, each) in groups.items():
        counters.add(series, len(each))
        counters.observe((RUN_SECONDS, series[1]), taken)
        counters.observe((WAIT_SECONDS, series[1], series[2]), waits)
    for name, number in ((STALE, stale), (RESCUED, rescued)):
        if number:
            counters.add((name,), number)


def count_failed_hooks(kind: str, hooks: int) -> None:
    """Count on_commit hooks of transactional handlers that raised after the commit."""
    counters.add((HOOKS_FAILED, kind), hooks)


def count_rung(queue: str, jobs: int) -> None:
    """Count jobs that were rung; one that is rung again counts again."""
    counters.add((RINGS, queue), jobs)


def count_answer(process: str) -> None:
    """Count that a process did what it lives for: worker, dispatcher, listener, rescue or beat."""
    counters.add((ANSWERS, process))


def _outcome(state: State, settlement: Settlement) -> str | None:
    verb = settlement.verb
    if verb is Verb.RELEASE:
        return None
    if verb is Verb.SNOOZE and settlement.circuit and state is State.QUEUED:
        return "parked"
    return _OVERTAKEN.get(state) or _OUTCOMES[verb]


def _add_all(news: Counter[tuple[str, str]]) -> None:
    for (kind, queue), number in news.items():
        counters.add((ENQUEUED, kind, queue), number)


def _waiting(open_connection: Any) -> Counter[tuple[str, str]] | None:
    """Return what waits for the same commit: a savepoint's rollback takes its own back only."""
    found = getattr(open_connection, "_celeriac_enqueued", None)
    hooks = open_connection.run_on_commit
    if found is None or not hooks or hooks[-1][1] is not found[1]:
        return None
    news: Counter[tuple[str, str]] = found[0]
    return news if hooks[-1][0] == set(open_connection.savepoint_ids) else None
