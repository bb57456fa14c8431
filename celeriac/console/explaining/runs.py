"""The runs of a job, as events: those remembered, those that left no row, the one under way."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from celeriac.console.explaining.facts import MOST_ATTEMPTS, MOST_TRACEBACKS, Facts
from celeriac.jobs.models import Attempt, Worker
from celeriac.jobs.phrases import Event, Link, clock_time, span
from celeriac.jobs.states import State

#: What an Attempt row says, in words, and how it looks.
_OUTCOMES = {
    "succeeded": ("succeeded", "good"),
    "failed": ("failed", "warn"),
    "dead": ("failed, and the job was given up", "bad"),
    "lost": ("was lost with its process, and rescued", "bad"),
    "cancelled": ("stopped on request", "idle"),
    "stopped": ("was cut short", "idle"),
    "superseded": ("ended; a newer job had taken its place", "idle"),
}


def run_events(facts: Facts) -> Iterator[Event]:
    """Yield one event for each run that is known, and one for each gap between them."""
    names = _names(facts)
    before = 0 if len(facts.attempts) < MOST_ATTEMPTS else facts.attempts[0].number - 1
    told = {attempt.id for attempt in facts.attempts[-MOST_TRACEBACKS:]}
    for attempt in facts.attempts:
        yield from _gap(before, attempt.number, attempt.started_at)
        traceback = attempt.traceback if attempt.id in told else ""
        yield _run(attempt, facts, names, traceback)
        before = attempt.number
    yield from _unrecorded(facts, before, names)


def _run(attempt: Attempt, facts: Facts, names: dict[UUID, str], traceback: str) -> Event:
    said, tone = _OUTCOMES.get(attempt.outcome, (attempt.outcome, "info"))
    error = facts.redactor.text(": ".join(filter(None, [attempt.error_class, attempt.message])))
    first = attempt.number == 1
    text = " · ".join(filter(None, [_waited(facts, attempt.started_at) if first else "", error]))
    return Event(
        attempt.started_at,
        f"Run {attempt.number} {said}",
        text,
        tone,
        detail=facts.redactor.text(traceback),
        seconds=(attempt.finished_at - attempt.started_at).total_seconds(),
        links=_on(attempt.worker, names),
    )


def _unrecorded(facts: Facts, before: int, names: dict[UUID, str]) -> Iterator[Event]:
    """Yield the latest run where no Attempt row tells of it."""
    job = facts.job
    if job.attempt <= before or job.started_at is None:
        return
    yield from _gap(before, job.attempt, job.started_at)
    seconds = ((job.finished_at or facts.now) - job.started_at).total_seconds()
    links = _on(job.worker, names)
    name, waited = f"Run {job.attempt}", _waited(facts, job.started_at) if job.attempt == 1 else ""
    if job.state == State.RUNNING:
        yield Event(job.started_at, f"{name} is under way", waited, seconds=seconds, links=links)
    elif job.state == State.SUCCEEDED:
        title = f"{name} succeeded"
        yield Event(job.started_at, title, waited, "good", seconds=seconds, links=links)
    elif job.state == State.QUEUED and job.wait_reason:
        reason = facts.redactor.text(job.wait_reason)
        text = f"{reason}, until {clock_time(job.run_at)}"
        yield Event(job.started_at, f"{name} was snoozed", text, "idle", links=links)
    else:
        yield Event(job.started_at, f"{name} ended", waited, "idle", links=links)


def _gap(before: int, number: int, at: datetime) -> Iterator[Event]:
    """Snoozes leave no row of their own, only their number."""
    missing = number - before - 1
    if missing <= 0:
        return
    which = f"Run {before + 1}" if missing == 1 else f"Runs {before + 1} to {number - 1}"
    text = "snoozed by the handler, or parked by an open circuit: nothing had failed"
    yield Event(at, f"{which} ended without a verdict", text, "idle")


def _waited(facts: Facts, started: datetime) -> str:
    job = facts.job
    # A retry has moved run_at: then only when it was enqueued is known.
    due = job.run_at if job.created_at <= job.run_at <= started else job.created_at
    return f"waited {span((started - due).total_seconds())}"


def _on(worker: UUID | None, names: dict[UUID, str]) -> tuple[Link, ...]:
    if worker is None:
        return ()
    name = names.get(worker)
    if name is None:
        return ()  # its row has gone
    return (Link(name, "admin:celeriac_jobs_worker_change", (str(worker),)),)


def _names(facts: Facts) -> dict[UUID, str]:
    ids = {attempt.worker for attempt in facts.attempts if attempt.worker}
    names = {facts.runner.id: facts.runner.name} if facts.runner else {}
    missing = ids - names.keys()
    if missing:
        names |= dict(Worker.objects.filter(pk__in=missing).values_list("id", "name"))
    return names
