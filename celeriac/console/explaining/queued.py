"""Why a queued job has not started, gravest first. Pure: facts in, reasons out."""

from collections.abc import Iterator

from celeriac.console.explaining.facts import MOST_AHEAD, Facts
from celeriac.jobs.words import Link, Step, Wait, ago, clock_time, count
from celeriac.settings import celery_app

#: Reasons that hold a job back whatever its time, which people call "parked".
PARKING = frozenset({"paused", "circuit", "lock", "unknown_kind"})

START_DISPATCHER = Step(
    "Start a dispatcher, or read the log of the one that should serve this queue.",
    page=Link("Queues", "admin:celeriac_jobs_queue_changelist"),
    command="manage.py dispatcher",
)


def reasons(facts: Facts) -> list[Wait]:
    """Return every reason; a job that nothing holds waits for its turn."""
    found = [
        *_time(facts),
        *_pause(facts),
        *_circuit(facts),
        *_lock(facts),
        *_worker(facts),
        *_dispatcher(facts),
    ]
    return found or [_turn(facts)]


def _time(facts: Facts) -> Iterator[Wait]:
    job = facts.job
    if job.expires_at is not None and job.attempt == 0 and job.expires_at <= facts.now:
        text = f"expired at {clock_time(job.expires_at)} and will be cancelled"
        retry = Step("Once it is cancelled, retry it: a retry has no deadline.", verb="Retry")
        yield Wait("expired", text, because=False, steps=(retry,))
    if job.run_at > facts.now:
        why = f" ({facts.veil.text(job.wait_reason)})" if job.wait_reason else ""
        word = "runs again" if job.attempt else "is scheduled"
        text = f"{word} at {clock_time(job.run_at)}{why}"
        now = Step("Nothing, it starts by itself; or let it run now.", verb="Run now")
        yield Wait("time", text, until=job.run_at, because=False, steps=(now,))
    elif job.wait_reason:
        text = f"was put back: {facts.veil.text(job.wait_reason)}"
        yield Wait("returned", text, because=False)


def _pause(facts: Facts) -> Iterator[Wait]:
    row = facts.queue
    if row is None or not facts.is_paused:
        return
    by = f" by {row.paused_by}" if row.paused_by else ""
    until = f" until {clock_time(row.paused_until)}" if row.paused_until else ""
    why = f": {row.pause_reason}" if row.pause_reason else ""
    wait = f", or wait until {clock_time(row.paused_until)}" if row.paused_until else ""
    resume = Step(
        f"Resume the queue once that is over{wait}.",
        page=Link(f"Queue {row.name}", "admin:celeriac_jobs_queue_change", (row.name,)),
        verb="Resume",
        command=f"manage.py queues resume {row.name}",
    )
    sentence = f"the queue {row.name} is paused{by}{until}{why}"
    yield Wait("paused", sentence, until=row.paused_until, by=row.paused_by, steps=(resume,))


def _circuit(facts: Facts) -> Iterator[Wait]:
    found = facts.hold
    if found is None:
        return
    page = Link(f"Breaker {found.name}", "admin:celeriac_breakers_breaker_change", (found.name,))
    if found.forced:
        wait = Step("Nothing while the reason holds: somebody decided that no call goes out.", page)
        when = "Once that is over, clear the circuit; the next call is its probe."
    else:
        wait = Step("Nothing while the provider is down: it starts once the circuit closes.", page)
        when = "If the provider is known to be back, clear the circuit; the next call is its probe."
    clear = Step(
        when,
        page,
        verb="Clear",
        command=f"manage.py breakers clear {found.name}",
    )
    steps = (wait, clear) if found.code == "circuit" else (wait,)
    sentence = f"{found.sentence}: {found.forced}" if found.forced else found.sentence
    yield Wait(found.code, sentence, until=found.until, by=found.name, steps=steps)


def _lock(facts: Facts) -> Iterator[Wait]:
    holder = facts.holder
    if holder is None:
        return
    since = f" since {clock_time(holder.started_at)}" if holder.started_at else ""
    look = Step(
        "Wait until that job ends; if it is stuck, cancel it.",
        page=job_page(str(holder.id)),
        verb="Cancel",
        command=f"manage.py jobs show {holder.id}",
    )
    sentence = f"job {holder.id} ({holder.kind}) holds the lock {facts.job.lock_key!r}{since}"
    yield Wait("lock", sentence, by=str(holder.id), steps=(look,))


def _worker(facts: Facts) -> Iterator[Wait]:
    job, crew = facts.job, facts.crew
    known = any(job.kind in worker.kinds for worker in crew)
    undeclared = facts.kind is None
    if undeclared:
        yield Wait("unknown_kind", f"no job of kind {job.kind!r} is declared here", steps=_deploy())
    if not crew:
        yield Wait("no_worker", _nobody(facts), steps=_hire(job.queue))
    elif not known and not (facts.kind and _knows_name(facts, facts.kind.name)):
        sentence = (
            f"no living worker of the queue {job.queue} knows {job.kind!r} "
            f"({count(len(crew), 'worker')} looked at)"
        )
        yield Wait("no_worker" if undeclared else "unknown_kind", sentence, steps=_deploy())


def _knows_name(facts: Facts, name: str) -> bool:
    """A row may bear a kind's former name; workers know the new one."""
    return any(name in worker.kinds for worker in facts.crew)


def _nobody(facts: Facts) -> str:
    silent = facts.workers[0] if facts.workers else None
    last = f": {silent.name} was last heard of {ago(silent.beat_at, facts.now)}" if silent else ""
    return f"no living worker serves the queue {facts.job.queue}{last}"


def _hire(queue: str) -> tuple[Step, ...]:
    return (
        Step(
            "Start a worker for this queue, or find out why the last one ended.",
            page=Link("Workers", "admin:celeriac_jobs_worker_changelist"),
            command=f"celery -A {celery_app()} worker -Q {queue}",
        ),
    )


def _deploy() -> tuple[Step, ...]:
    return (
        Step(
            "Deploy workers with the code that declares this kind; it waits, and is never killed.",
            page=Link("Workers", "admin:celeriac_jobs_worker_changelist"),
        ),
        Step("If the kind is gone for good, cancel the job.", verb="Cancel"),
    )


def _dispatcher(facts: Facts) -> Iterator[Wait]:
    if facts.has_dispatcher:
        return
    row = facts.queue
    last = (
        f": {row.holder_name or 'the last one'} held it until {clock_time(row.lease_until)}"
        if row and row.lease_until
        else ""
    )
    sentence = f"no dispatcher serves the queue {facts.job.queue}{last}"
    yield Wait("no_dispatcher", sentence, steps=(START_DISPATCHER,))


def _turn(facts: Facts) -> Wait:
    text = "waits for its turn: a dispatcher and a worker serve its queue"
    if facts.ahead:
        more = "or more " if facts.ahead >= MOST_AHEAD else ""
        text += (
            f", and {facts.ahead} {more}due {'job is' if facts.ahead == 1 else 'jobs are'} first"
        )
    look = Step(
        "Nothing; if the backlog does not shrink, start more workers or raise its priority.",
        page=Link("Queues", "admin:celeriac_jobs_queue_changelist"),
        verb="Change priority or queue",
    )
    return Wait("turn", text, because=False, steps=(look,))


def job_page(job_id: str) -> Link:
    """Return the page of a job."""
    return Link(f"Job {job_id}", "admin:celeriac_jobs_job_change", (job_id,))
