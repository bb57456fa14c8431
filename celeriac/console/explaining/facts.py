"""What an explanation rests on, read in a few queries that do not grow with history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F

from celeriac.breakers import selectors as breakers
from celeriac.core import audit, clock, tables
from celeriac.core.clock import NOW, Now
from celeriac.core.models import Audit
from celeriac.core.queries import fetch_row
from celeriac.jobs import redaction, registry
from celeriac.jobs.holds import CIRCUIT, HOLDS, LOCK, HoldReason, hold_parameters
from celeriac.jobs.models import Attempt, Job, Queue, Worker
from celeriac.jobs.operating.circuits import Hold, hold_of
from celeriac.jobs.redaction import Redactor
from celeriac.jobs.registry import Kind
from celeriac.jobs.states import State

#: Due jobs before this one are counted up to here.
MOST_AHEAD = 1_000
#: Runs that are shown, and those of them with their tracebacks; a job may have thousands.
MOST_ATTEMPTS, MOST_TRACEBACKS = 200, 10

_AHEAD = f"""
SELECT count(*) FROM (
    SELECT FROM {tables.JOB}
    WHERE state = 'queued' AND queue = %(queue)s
      AND (priority > %(priority)s AND run_at <= (SELECT {NOW})
           OR priority = %(priority)s AND (run_at, id) < (%(run_at)s, %(id)s))
    LIMIT %(most)s
) ahead
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """A job, and what stands around it at one moment of the database's clock."""

    job: Job
    now: datetime
    kind: Kind | None = None
    queue: Queue | None = None
    #: What may hold a queued job, and the codes of what holds this one.
    reasons: Sequence[HoldReason] = HOLDS
    held: frozenset[str] = frozenset()
    #: Workers of its queue that did not sign off, the latest beat first.
    workers: Sequence[Worker] = ()
    #: Who runs it, or ran it last; its row goes a day after it stopped.
    runner: Worker | None = None
    holder: Job | None = None
    hold: Hold | None = None
    successor: Job | None = None
    #: The job that runs of the claim in which this one waits for its turn.
    ahead_in_claim: Job | None = None
    attempts: Sequence[Attempt] = ()
    audits: Sequence[Audit] = ()
    ahead: int = 0
    redactor: Redactor = redaction.OPEN

    @property
    def living_workers(self) -> list[Worker]:
        """The living workers of its queue."""
        return [worker for worker in self.workers if worker.lives]

    @property
    def last(self) -> Attempt | None:
        """The latest remembered run."""
        return self.attempts[-1] if self.attempts else None

    @property
    def cancel(self) -> Audit | None:
        """Who asked for the cancel that holds, where the trail knows; a retry ends earlier ones."""
        asked = self.job.cancel_requested_at
        found = (each for each in self.audits if each.verb == "job.cancel")
        return next((each for each in found if asked and each.at >= asked), None)

    @property
    def trace_id(self) -> str:
        """The id of the trace that it belongs to, out of its W3C traceparent."""
        parts = (self.job.trace or "").split("-")
        return parts[1] if len(parts) == 4 else ""

    @property
    def has_dispatcher(self) -> bool:
        """Whether a dispatcher holds its queue."""
        return self.queue is not None and bool(self.queue.is_served)


def gather_facts(job: Job, *, history: bool = True, reasons: Sequence[HoldReason] = HOLDS) -> Facts:
    """Return the facts of a job; without `history` only what a queued one waits for."""
    queue, now = _queue(job)
    queued = job.state == State.QUEUED
    held = _held(job, reasons) if queued else frozenset()
    kind = registry.get_kind(job.kind)
    runner = _runner(job) if history or not queued else None
    return Facts(
        job=job,
        now=now,
        kind=kind,
        queue=queue,
        reasons=reasons,
        held=held,
        workers=_workers(job) if queued else (),
        runner=runner,
        holder=_holder(job) if LOCK.code in held else None,
        hold=_hold(kind) if queued else None,
        successor=_successor(job),
        ahead_in_claim=_ahead_in_claim(job, runner),
        attempts=_attempts(job) if history and job.attempt else (),
        audits=audit.actions_on("job", job.id, most=MOST_ATTEMPTS) if history else (),
        ahead=_ahead(job) if history and queued else 0,
        redactor=redaction.redactor_for(job.kind, job.args),
    )


def _queue(job: Job) -> tuple[Queue | None, datetime]:
    """Return its queue, and the time, from one query."""
    row: Any = Queue.objects.with_state().filter(name=job.queue).annotate(now=Now()).first()
    return (row, row.now) if row else (None, clock.db_now())


def _held(job: Job, reasons: Sequence[HoldReason]) -> frozenset[str]:
    asked = ", ".join(hold.condition for hold in reasons)
    statement = f"SELECT {asked} FROM {tables.JOB} j WHERE j.id = %(id)s"
    row = fetch_row(statement, hold_parameters() | {"id": job.pk}) or ()
    return frozenset(hold.code for hold, holds in zip(reasons, row, strict=False) if holds)


def _workers(job: Job) -> list[Worker]:
    found = Worker.objects.with_life().filter(stopped_at=None, queues__contains=[job.queue])
    return list(found.order_by("-beat_at").defer("run_times")[:200])


def _runner(job: Job) -> Worker | None:
    return Worker.objects.with_life().filter(pk=job.worker).first() if job.worker else None


def _holder(job: Job) -> Job | None:
    return Job.objects.running().filter(lock_key=job.lock_key).defer("args", "result").first()


def _successor(job: Job) -> Job | None:
    if job.superseded_by is None:
        return None
    return Job.objects.filter(pk=job.superseded_by).defer("args", "result").first()


def _ahead_in_claim(job: Job, runner: Worker | None) -> Job | None:
    """Return what its child is at, by the worker's last beat, where that is not this job."""
    if runner is None or job.state != State.RUNNING or job.pk in runner.running:
        return None
    found = Job.objects.running().filter(pk__in=runner.running, claim_id=job.claim_id)
    return found.defer("args", "result").first() if runner.running else None


def _hold(kind: Kind | None) -> Hold | None:
    if kind is None or kind.breaker is None:
        return None
    found = hold_of(kind.breaker, breakers.circuit_allowances([kind.breaker])[kind.breaker])
    if found is not None and found.code == CIRCUIT.code:
        found.forced = breakers.force_in_words(kind.breaker)
    return found


def _attempts(job: Job) -> list[Attempt]:
    found = Attempt.objects.filter(job_id=job.id).order_by(F("number").desc(), F("id").desc())
    latest = list(found[:MOST_TRACEBACKS])
    if len(latest) == MOST_TRACEBACKS:
        latest += found.defer("traceback")[MOST_TRACEBACKS:MOST_ATTEMPTS]
    return list(reversed(latest))


def _ahead(job: Job) -> int:
    names = ("queue", "priority", "run_at", "id")
    parameters = {name: getattr(job, name) for name in names} | {"most": MOST_AHEAD}
    return int(fetch_row(_AHEAD, parameters)[0])
