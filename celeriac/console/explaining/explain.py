"""The answer at the top of a job's page: why it is not running, or how it ended."""

from collections.abc import Sequence

from celeriac.console.explaining import ended, queued, running
from celeriac.console.explaining.facts import Facts, gather
from celeriac.jobs import registry, states
from celeriac.jobs.companions import Companion, told
from celeriac.jobs.models import Job
from celeriac.jobs.states import State
from celeriac.jobs.words import Explanation, Wait, count, span


def explain(job: Job) -> Explanation:
    """Return why the job is not running, or how it ended, and what to do."""
    return explanation(gather(job), told(job))


def waiting(job: Job) -> list[Wait]:
    """Return why the job has not started, gravest first; empty once it runs or has ended.

    A cancelled job that a newer one replaced says so.
    """
    return reasons(gather(job, history=False))


def view(job: Job) -> str:
    """Return what people call it: its state, or scheduled, retrying or parked."""
    if job.state != State.QUEUED:
        return job.state
    return seen(gather(job, history=False))


def reasons(facts: Facts) -> list[Wait]:
    """Return why a queued job has not started; for one superseded, by whom."""
    if facts.job.superseded_by is not None:
        return [ended.reason(facts)]
    return queued.reasons(facts) if facts.job.state == State.QUEUED else []


def seen(facts: Facts) -> str:
    """Return what people call the job."""
    job = facts.job
    parking = {hold.code for hold in facts.reasons if hold.parks}
    parked = job.state == State.QUEUED and any(
        wait.code in parking for wait in queued.reasons(facts)
    )
    due = job.run_at <= facts.now
    return states.view(State(job.state), due=due, attempt=job.attempt, parked=parked)


def explanation(facts: Facts, companions: Sequence[Companion]) -> Explanation:
    """Put the reasons together: the gravest is the sentence, the others follow."""
    first, *others = _reasons(facts, [each.wait for each in companions if each.wait])
    also = [wait.whole for wait in others] + _before(facts)
    steps = [step for wait in (first, *others) for step in wait.steps]
    return Explanation(
        code=first.code,
        view=seen(facts),
        sentence=first.whole,
        also=tuple(also),
        steps=tuple(dict.fromkeys(steps)),
        until=first.until,
    )


def _reasons(facts: Facts, theirs: list[Wait]) -> list[Wait]:
    """What an app knows comes first where the job itself ended well."""
    match facts.job.state:
        case State.QUEUED:
            return [*queued.reasons(facts), *theirs]
        case State.RUNNING:
            return [running.reason(facts), *theirs]
        case State.SUCCEEDED:
            return [*theirs, ended.reason(facts)]
        case _:
            return [ended.reason(facts), *theirs]


def _before(facts: Facts) -> list[str]:
    """Return what the last run left behind, for a job that will run again."""
    job, last = facts.job, facts.last
    if job.state != State.QUEUED or last is None or last.number != job.attempt:
        return []
    when = f"{span((facts.now - last.finished_at).total_seconds())} ago"
    said = facts.veil.text(last.message)
    if last.outcome == "lost":
        most = registry.get_or_default(facts.job.kind).max_losses
        times = f"{count(job.losses, 'loss')} of {most} it may have"
        return [f"Run {last.number} was lost with its process {when} ({times}): {said}."]
    if last.outcome == "failed":
        times = f"failure {job.failures} of {job.max_attempts}"
        return [f"Run {last.number} failed {when} ({times}): {last.error_class}: {said}."]
    return []
