"""How a running job stands: is its run still there? Pure: facts in, a reason out."""

from datetime import timedelta

from celeriac.console.explaining.facts import Facts
from celeriac.console.explaining.queued import START_DISPATCHER
from celeriac.jobs.phrases import BLOCKS, Link, Step, Wait, ago, clock_time, span
from celeriac.settings import conf


def running_reason(facts: Facts) -> Wait:
    """Return what there is to say about the run."""
    reasons = (_lost, _stopping, _behind, _late, _blocking)
    return next(filter(None, (reason(facts) for reason in reasons)), None) or _at_work(facts)


def _lost(facts: Facts) -> Wait | None:
    """The rescuer's own questions, in words (see dispatching/rescue.py)."""
    worker, job = facts.runner, facts.job
    if worker is None:
        how = "its worker is unknown: its row is gone"
    elif worker.stopped_at is not None:
        how = f"its worker {worker.name} stopped at {clock_time(worker.stopped_at)}"
    elif not worker.lives:
        how = f"its worker {worker.name} was last heard of {ago(worker.heard_at, facts.now)}"
    elif _dropped(facts):
        how = f"its worker {worker.name} no longer holds its claim"
    else:
        return None
    steps = [_rescue(facts)]
    if worker is not None:
        steps.append(
            Step(
                "Look at what ended that worker: memory, a crash, the machine.",
                page=Link(
                    f"Worker {worker.name}", "admin:celeriac_jobs_worker_change", (str(worker.id),)
                ),
            )
        )
    text = f"is lost, run {job.attempt} will not end: {how}"
    return Wait("worker_lost", text, because=False, steps=tuple(steps))


def _dropped(facts: Facts) -> bool:
    worker, job = facts.runner, facts.job
    if worker is None or job.started_at is None or worker.previous_beat_at is None:
        return False
    return job.started_at < worker.previous_beat_at and job.claim_id not in worker.claims


def _rescue(facts: Facts) -> Step:
    if not facts.has_dispatcher:
        return START_DISPATCHER
    lease = span(conf.WORKER_LEASE_SECONDS)
    return Step(f"Nothing: a dispatcher queues it again once its worker was silent for {lease}.")


def _stopping(facts: Facts) -> Wait | None:
    asked = facts.job.cancel_requested_at
    if asked is None:
        return None
    by = facts.cancel.actor_name if facts.cancel else ""
    who = f" by {by}" if by else ""
    text = f"was asked{who} to stop at {clock_time(asked)}, and stops when its handler looks"
    wait = Step("Wait; a handler that never asks should_stop() runs to its end or its hard limit.")
    return Wait("stopping", text, by=by, because=False, steps=(wait,))


def _behind(facts: Facts) -> Wait | None:
    """Claimed with others in one doorbell, it waits for its turn: it does not run yet."""
    first = facts.ahead_in_claim
    if first is None:
        return None
    where = f" on {facts.runner.name}" if facts.runner else ""
    text = f"is claimed behind job {first.id} ({first.kind}), which runs{where}"
    step = Step(
        "Nothing: it is put back, for another process to take, once its doorbell's time is over.",
        page=Link(f"Job {first.id}", "admin:celeriac_jobs_job_change", (str(first.id),)),
    )
    return Wait("claimed_behind", text, by=str(first.id), because=False, steps=(step,))


def _late(facts: Facts) -> Wait | None:
    kind, started = facts.kind, facts.job.started_at
    if kind is None or kind.hard_timeout is None or started is None:
        return None
    if facts.now - started <= timedelta(seconds=kind.hard_timeout):
        return None
    limit = span(kind.hard_timeout)
    text = f"is past its hard limit of {limit}: its process is killed, and the run counts as lost"
    return Wait("late", text, because=False, steps=(_rescue(facts),))


def _blocking(facts: Facts) -> Wait | None:
    """Its coroutine does not await: so its child has seen, which shows it on the row."""
    if not facts.job.error.startswith(BLOCKS):
        return None
    where = f" on {facts.runner.name}" if facts.runner else ""
    text = f"is running{where}, and {facts.job.error}: the other jobs there wait for it"
    step = Step("Await there, or hand the call to a thread: await asyncio.to_thread(…).")
    return Wait("blocking", text, because=False, steps=(step,))


def _at_work(facts: Facts) -> Wait:
    job, worker = facts.job, facts.runner
    where = f" on {worker.name}" if worker else ""
    since = f", for {span((facts.now - job.started_at).total_seconds())}" if job.started_at else ""
    progress = job.progress or {}
    far = f"; {progress['done']} of {progress['total']} done" if _counts(progress) else ""
    text = f"is running: run {job.attempt}{where}{since}{far}"
    return Wait("running", text, because=False)


def _counts(progress: object) -> bool:
    return isinstance(progress, dict) and {"done", "total"} <= progress.keys()
