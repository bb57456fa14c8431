"""The answer at the top of a job's page: why it is not running, or how it ended."""

from collections.abc import Sequence

from celeriac.console.explaining import behind, ended, queued, running
from celeriac.console.explaining.facts import Facts, gather_facts
from celeriac.jobs import registry, states
from celeriac.jobs.job_pages import JobPageSection, sections_of
from celeriac.jobs.models import Job
from celeriac.jobs.phrases import Explanation, Wait, count, span
from celeriac.jobs.states import State


def explain_job(job: Job) -> Explanation:
    """Return why the job is not running, or how it ended, and what to do."""
    return explanation_of(gather_facts(job), sections_of(job))


def waiting_reasons(job: Job) -> list[Wait]:
    """Return why the job has not started, gravest first; empty once it runs or has ended.

    A cancelled job that a newer one replaced says so.
    """
    return queued_reasons(gather_facts(job, history=False))


def view_of_job(job: Job) -> str:
    """Return what people call it: its state, or scheduled, retrying or parked."""
    if job.state != State.QUEUED:
        return job.state
    return view_of_facts(gather_facts(job, history=False))


def queued_reasons(facts: Facts) -> list[Wait]:
    """Return why a queued job has not started; for one superseded, by whom."""
    if facts.job.superseded_by is not None:
        return [ended.ended_reason(facts)]
    if facts.job.state == State.WAITING:
        return behind.waiting_reasons_of(facts)
    return queued.queued_reasons(facts) if facts.job.state == State.QUEUED else []


def view_of_facts(facts: Facts) -> str:
    """Return what people call the job."""
    job = facts.job
    parking = {hold.code for hold in facts.reasons if hold.parks}
    parked = job.state == State.QUEUED and any(
        wait.code in parking for wait in queued.queued_reasons(facts)
    )
    due = job.run_at <= facts.now
    return states.view(State(job.state), due=due, attempt=job.attempt, parked=parked)


def explanation_of(facts: Facts, sections: Sequence[JobPageSection]) -> Explanation:
    """Put the reasons together: the gravest is the sentence, the others follow."""
    first, *others = _reasons(facts, [each.wait for each in sections if each.wait])
    also = [wait.whole for wait in others] + _before(facts)
    steps = [step for wait in (first, *others) for step in wait.steps]
    return Explanation(
        code=first.code,
        view=view_of_facts(facts),
        sentence=first.whole,
        also=tuple(also),
        steps=tuple(dict.fromkeys(steps)),
        until=first.until,
    )


def _reasons(facts: Facts, theirs: list[Wait]) -> list[Wait]:
    """What an app knows comes first where the job itself ended well."""
    match facts.job.state:
        case State.WAITING:
            return [*behind.waiting_reasons_of(facts), *theirs]
        case State.QUEUED:
            return [*queued.queued_reasons(facts), *theirs]
        case State.RUNNING:
            return [running.running_reason(facts), *theirs]
        case State.SUCCEEDED:
            return [*theirs, ended.ended_reason(facts)]
        case _:
            return [ended.ended_reason(facts), *theirs]


def _before(facts: Facts) -> list[str]:
    """Return what the last run left behind, for a job that will run again."""
    job, last = facts.job, facts.last
    if job.state != State.QUEUED or last is None or last.number != job.attempt:
        return []
    when = f"{span((facts.now - last.finished_at).total_seconds())} ago"
    said = facts.redactor.text(last.message)
    if last.outcome == "lost":
        most = registry.get_or_default(facts.job.kind).max_losses
        times = f"{count(job.losses, 'loss')} of {most} it may have"
        return [f"Run {last.number} was lost with its process {when} ({times}): {said}."]
    if last.outcome == "failed":
        times = f"failure {job.failures} of {job.max_attempts}"
        return [f"Run {last.number} failed {when} ({times}): {last.error_class}: {said}."]
    return []
