"""Why a queued job has not started, gravest first. Pure: facts in, reasons out."""

from collections.abc import Callable, Iterator

from celeriac.console.explaining.facts import MOST_AHEAD, Facts
from celeriac.jobs.holds import CIRCUIT, EXPIRED, LOCK, PAUSED, TIME, UNKNOWN_KIND, HoldReason
from celeriac.jobs.phrases import Link, Step, Wait, ago, clock_time, count
from celeriac.settings import celery_app

START_DISPATCHER = Step(
    "Start a dispatcher, or read the log of the one that should serve this queue.",
    page=Link("Queues", "admin:celeriac_jobs_queue_changelist"),
    command="manage.py dispatcher",
)


def queued_reasons(facts: Facts) -> list[Wait]:
    """Return every reason; a job that nothing holds waits for its turn."""
    found = [wait for hold in facts.reasons for wait in _held(facts, hold)]
    found += [*_worker(facts), *_dispatcher(facts)]
    return found or [_turn(facts)]


def _held(facts: Facts, hold: HoldReason) -> Iterator[Wait]:
    """Say of one reason whether it holds; what no detail is known of in its own words."""
    if hold.code in _DETAILS:
        yield from _DETAILS[hold.code](facts)
    elif hold.code in facts.held:
        by = hold.by(facts.job.queue, facts.job.kind)
        steps = (Step(hold.todo),) if hold.todo else ()
        yield Wait(hold.code, hold.sentence.format(job=facts.job, by=by), by=by, steps=steps)


def _expired(facts: Facts) -> Iterator[Wait]:
    if EXPIRED.code in facts.held and facts.job.expires_at:
        text = EXPIRED.sentence.format(when=clock_time(facts.job.expires_at))
        steps = (Step(EXPIRED.todo, verb="Retry"),)
        yield Wait(EXPIRED.code, text, because=False, steps=steps)


def _time(facts: Facts) -> Iterator[Wait]:
    job = facts.job
    if TIME.code in facts.held:
        why = f" ({facts.redactor.text(job.wait_reason)})" if job.wait_reason else ""
        word = "runs again" if job.attempt else "is scheduled"
        text = TIME.sentence.format(word=word, when=clock_time(job.run_at)) + why
        now = Step(TIME.todo, verb="Run now")
        yield Wait(TIME.code, text, until=job.run_at, because=False, steps=(now,))
    elif job.wait_reason:
        text = f"was put back: {facts.redactor.text(job.wait_reason)}"
        yield Wait("returned", text, because=False)


def _pause(facts: Facts) -> Iterator[Wait]:
    row = facts.queue
    if row is None or PAUSED.code not in facts.held:
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
    sentence = f"{PAUSED.sentence.format(by=row.name)}{by}{until}{why}"
    yield Wait(PAUSED.code, sentence, until=row.paused_until, by=row.paused_by, steps=(resume,))


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
    clear = Step(when, page, verb="Clear", command=f"manage.py breakers clear {found.name}")
    steps = (wait, clear) if found.code == CIRCUIT.code else (wait,)
    sentence = f"{found.sentence}: {found.forced}" if found.forced else found.sentence
    yield Wait(found.code, sentence, until=found.until, by=found.name, steps=steps)


def _lock(facts: Facts) -> Iterator[Wait]:
    holder = facts.holder
    if holder is None:
        return
    since = f" since {clock_time(holder.started_at)}" if holder.started_at else ""
    look = Step(
        LOCK.todo,
        page=job_page(str(holder.id)),
        verb="Cancel",
        command=f"manage.py jobs show {holder.id}",
    )
    sentence = LOCK.sentence.format(holder=holder, job=facts.job) + since
    yield Wait(LOCK.code, sentence, by=str(holder.id), steps=(look,))


def _undeclared(facts: Facts) -> Iterator[Wait]:
    if UNKNOWN_KIND.code in facts.held:
        text = UNKNOWN_KIND.sentence.format(job=facts.job)
        yield Wait(UNKNOWN_KIND.code, text, steps=_deploy())


#: What the page knows more of; the text of the others is their entry's.
_DETAILS: dict[str, Callable[[Facts], Iterator[Wait]]] = {
    EXPIRED.code: _expired,
    TIME.code: _time,
    PAUSED.code: _pause,
    CIRCUIT.code: _circuit,
    LOCK.code: _lock,
    UNKNOWN_KIND.code: _undeclared,
}


def _worker(facts: Facts) -> Iterator[Wait]:
    job, living = facts.job, facts.living_workers
    known = any(job.kind in worker.kinds for worker in living)
    undeclared = UNKNOWN_KIND.code in facts.held
    if not living:
        yield Wait("no_worker", _nobody(facts), steps=_start_worker(job.queue))
    elif not known and not (facts.kind and _knows_name(facts, facts.kind.name)):
        sentence = (
            f"no living worker of the queue {job.queue} knows {job.kind!r} "
            f"({count(len(living), 'worker')} looked at)"
        )
        yield Wait("no_worker" if undeclared else UNKNOWN_KIND.code, sentence, steps=_deploy())


def _knows_name(facts: Facts, name: str) -> bool:
    """A row may bear a kind's former name; workers know the new one."""
    return any(name in worker.kinds for worker in facts.living_workers)


def _nobody(facts: Facts) -> str:
    silent = facts.workers[0] if facts.workers else None
    last = f": {silent.name} was last heard of {ago(silent.heard_at, facts.now)}" if silent else ""
    return f"no living worker serves the queue {facts.job.queue}{last}"


def _start_worker(queue: str) -> tuple[Step, ...]:
    return (
        Step(
            "Start a worker for this queue, or find out why the last one ended.",
            page=Link("Workers", "admin:celeriac_jobs_worker_changelist"),
            command=f"celery -A {celery_app()} worker -Q {queue}",
        ),
    )


def _deploy() -> tuple[Step, ...]:
    return (
        Step(UNKNOWN_KIND.todo, page=Link("Workers", "admin:celeriac_jobs_worker_changelist")),
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
