"""Why a job waits, in sentences for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from apps.breakers import selectors as breakers
from apps.core import clock
from apps.core.clock import Now
from apps.jobs import registry, states
from apps.jobs.models import Job, Queue, Worker
from apps.jobs.operating.circuits import clock_time, hold
from apps.jobs.states import State

#: Reasons that hold a job back whatever its time, which people call "parked".
PARKING = frozenset({"paused", "circuit", "lock", "unknown_kind"})


@dataclass(frozen=True, slots=True)
class Wait:
    """One reason: a code for programs, a sentence for people, until when, by what."""

    code: str
    sentence: str
    until: datetime | None = None
    by: str = ""


def waiting(job: Job) -> list[Wait]:
    """Return why the job has not started, gravest first; empty once it runs or has ended.

    A cancelled job that a newer one replaced says so.
    """
    if job.superseded_by is not None:
        by = str(job.superseded_by)
        return [Wait("superseded", f"job {by} of the same unique key took its place", by=by)]
    if job.state != State.QUEUED:
        return []
    found = [
        *_time(job, clock.read()),
        *_pause(job),
        *_circuit(job),
        *_lock(job),
        *_kind(job),
        *_worker(job),
        *_dispatcher(job),
    ]
    return found or [Wait("turn", "waits for its turn: a dispatcher and a worker serve its queue")]


def view(job: Job) -> str:
    """Return what people call it: its state, or scheduled, retrying or parked."""
    if job.state != State.QUEUED:
        return job.state
    parked = any(wait.code in PARKING for wait in waiting(job))
    return states.view(
        State.QUEUED, due=job.run_at <= clock.read(), attempt=job.attempt, parked=parked
    )


def living_workers(queue: str) -> list[Worker]:
    """Return the workers of a queue whose heartbeat is fresh."""
    lease = timedelta(seconds=settings.JOBS_WORKER_LEASE_SECONDS)
    return list(
        Worker.objects.filter(
            stopped_at=None, beat_at__gt=Now() - lease, queues__contains=[queue]
        ).order_by("name")
    )


def _time(job: Job, now: datetime) -> Iterator[Wait]:
    if job.expires_at is not None and job.attempt == 0 and job.expires_at <= now:
        yield Wait("expired", f"expired at {clock_time(job.expires_at)} and will be cancelled")
    if job.run_at > now:
        why = f" ({job.wait_reason})" if job.wait_reason else ""
        word = "runs again" if job.attempt else "is scheduled"
        yield Wait("time", f"{word} at {clock_time(job.run_at)}{why}", until=job.run_at)
    elif job.wait_reason:
        yield Wait("returned", f"was put back: {job.wait_reason}")


def _pause(job: Job) -> Iterator[Wait]:
    row = Queue.objects.paused().filter(name=job.queue).first()
    if row is not None:
        by = f" by {row.paused_by}" if row.paused_by else ""
        until = f" until {clock_time(row.paused_until)}" if row.paused_until else ""
        why = f": {row.pause_reason}" if row.pause_reason else ""
        sentence = f"the queue {job.queue} is paused{by}{until}{why}"
        yield Wait("paused", sentence, until=row.paused_until, by=row.paused_by)


def _circuit(job: Job) -> Iterator[Wait]:
    kind = registry.get(job.kind)
    if kind is None or kind.breaker is None:
        return
    found = hold(kind.breaker, breakers.admission([kind.breaker])[kind.breaker])
    if found is not None:
        yield Wait(found.code, found.sentence, until=found.until, by=found.name)


def _lock(job: Job) -> Iterator[Wait]:
    if job.lock_key is None:
        return
    holder = Job.objects.running().filter(lock_key=job.lock_key).first()
    if holder is not None:
        sentence = f"job {holder.id} ({holder.kind}) holds the lock {job.lock_key!r}"
        yield Wait("lock", sentence, by=str(holder.id))


def _kind(job: Job) -> Iterator[Wait]:
    if registry.get(job.kind) is None:
        yield Wait("unknown_kind", f"no job of kind {job.kind!r} is declared here")


def _worker(job: Job) -> Iterator[Wait]:
    workers = living_workers(job.queue)
    if not workers:
        yield Wait("no_worker", f"no living worker serves the queue {job.queue}")
    elif not any(job.kind in worker.kinds for worker in workers):
        yield Wait("no_worker", f"no living worker of the queue {job.queue} knows {job.kind!r}")


def _dispatcher(job: Job) -> Iterator[Wait]:
    if not Queue.objects.filter(name=job.queue, lease_until__gt=Now()).exists():
        yield Wait("no_dispatcher", f"no dispatcher serves the queue {job.queue}")
