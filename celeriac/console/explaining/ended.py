"""How a job ended, and why. Pure: facts in, a reason out."""

from celeriac.console.explaining.facts import Facts
from celeriac.console.explaining.queued import job_page
from celeriac.jobs import registry
from celeriac.jobs.holds import EXPIRED
from celeriac.jobs.models import Job
from celeriac.jobs.phrases import Link, Step, Wait, clock_time, count, span
from celeriac.jobs.states import State

RETRY = "Retry"


def ended_reason(facts: Facts) -> Wait:
    """Return how it ended."""
    match facts.job.state:
        case State.SUCCEEDED:
            return _succeeded(facts)
        case State.DEAD:
            return _poisonous(facts) or _failed(facts)
        case State.CANCELLED:
            return _superseded(facts) or _expired(facts) or _cancelled(facts)
        case state:
            said = f": {facts.redactor.text(facts.job.error)}" if facts.job.error else ""
            return Wait(state, f"ended {state}{said}", because=False)


def _succeeded(facts: Facts) -> Wait:
    job = facts.job
    took = ""
    if job.started_at and job.finished_at:
        took = f" in {span((job.finished_at - job.started_at).total_seconds())}"
    note = f"; but {facts.redactor.text(job.error)}" if job.error else ""
    text = f"succeeded at run {job.attempt}{took}{note}"
    return Wait("succeeded", text, because=False)


def _poisonous(facts: Facts) -> Wait | None:
    """It ended its process too often (docs/architecture.md, invariant 6)."""
    job, last = facts.job, facts.last
    most = registry.get_or_default(facts.job.kind).max_losses
    lost = job.error.startswith("WorkerLost") or (last and last.error_class == "WorkerLost")
    if not lost or job.losses < most:
        return None
    how = last.message if last and last.message else job.error.removeprefix("WorkerLost: ")
    text = (
        f"is dead because {count(job.losses, 'run')} of it ended with the worker process, "
        f"and {most} may: it is likely what kills workers. The last time, {how}"
    )
    steps = (
        Step(
            "Find what ends the process before it runs again: memory, a crash in a library.",
            page=Link("Workers", "admin:celeriac_jobs_worker_changelist"),
        ),
        Step("Once that is repaired, retry it: it rings alone, its losses forgotten.", verb=RETRY),
    )
    return Wait("poisonous", text, because=False, steps=steps)


def _failed(facts: Facts) -> Wait:
    job = facts.job
    error = facts.redactor.text(job.error) or "an error that nobody wrote down"
    last = facts.last
    if last is not None and last.error_class.endswith("GiveUp"):
        said = facts.redactor.text(last.message) or error
        code, text = "gave_up", f"is dead because its handler gave up: {said}"
    elif job.failures >= job.max_attempts:
        times = f"it failed {job.failures} of {job.max_attempts} times"
        code, text = "failed", f"is dead because {times}, the last time with {error}"
    else:
        code, text = "failed", f"is dead because of an error that is not retried: {error}"
    steps = (
        Step("Read the last traceback below, and repair the cause."),
        _retry(job, "Then retry it: its failures are forgotten, its history stays."),
    )
    return Wait(code, text, because=False, steps=steps)


def _superseded(facts: Facts) -> Wait | None:
    job, successor = facts.job, facts.successor
    if job.superseded_by is None:
        return None
    stands = f", which is {successor.state}" if successor else ""
    key = f" {job.unique_key!r}" if job.unique_key else ""
    text = (
        f"was superseded: job {job.superseded_by} of the same unique key{key} "
        f"took its place{stands}"
    )
    follow = Step("Nothing: follow that job.", page=job_page(str(job.superseded_by)))
    return Wait("superseded", text, by=str(job.superseded_by), because=False, steps=(follow,))


def _expired(facts: Facts) -> Wait | None:
    job = facts.job
    if not job.error.startswith("expired:") or job.expires_at is None:
        return None
    text = (
        f"was cancelled because it expired: nothing had started it by {clock_time(job.expires_at)}"
    )
    steps = (
        _retry(job, "If it is still wanted, retry it: a retry has no deadline."),
        Step(
            "If this happens often, see what held its queue at that time.",
            page=Link(f"Queue {job.queue}", "admin:celeriac_jobs_queue_change", (job.queue,)),
        ),
    )
    return Wait(EXPIRED.code, text, because=False, steps=steps)


def _cancelled(facts: Facts) -> Wait:
    job = facts.job
    audit = facts.cancel
    who = f" by {audit.actor_name}" if audit and audit.actor_name else ""
    said = (
        audit.reason
        if audit
        else facts.redactor.text(job.error).removeprefix("cancelled").lstrip(": ")
    )
    when = f" at {clock_time(job.finished_at)}" if job.finished_at else ""
    text = f"was cancelled{who}{when}" + (f": {said}" if said else "")
    by, back = (
        audit.actor_name if audit else "",
        _retry(job, "If it is wanted after all, retry it."),
    )
    return Wait("cancelled", text, by=by, because=False, steps=(back,))


def _retry(job: Job, text: str) -> Step:
    return Step(text, verb=RETRY, command=f"manage.py jobs retry {job.id}")
