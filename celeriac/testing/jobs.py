"""What was enqueued, does a handler work, does the whole flow: in the test's own process."""

import json
from typing import Any
from uuid import UUID, uuid4

from pydantic_core import to_jsonable_python

from celeriac.console.explaining.explain import waiting_reasons
from celeriac.core import queries, tables
from celeriac.core.clock import NOW
from celeriac.jobs import holds, registry
from celeriac.jobs.enqueueing.enqueue import enqueue_job
from celeriac.jobs.models import Job
from celeriac.jobs.nodes.watching import settle_nodes
from celeriac.jobs.running import execute
from celeriac.jobs.running.execute import WorkerContext, capabilities
from celeriac.jobs.running.run import Run
from celeriac.jobs.states import Verb

#: Due jobs that no pause, lock or circuit is asked about: the claim is the judge of those.
_NEXT = f"""
SELECT id FROM {tables.JOB}
WHERE state = 'queued' AND run_at <= {NOW} AND (%(queue)s::text IS NULL OR queue = %(queue)s)
  AND id <> ALL(%(held)s)
ORDER BY priority DESC, run_at, id LIMIT 1
"""

_BRING_FORWARD = f"""
UPDATE {tables.JOB} SET run_at = {NOW}
WHERE state = 'queued' AND run_at > {NOW} AND (%(queue)s::text IS NULL OR queue = %(queue)s)
"""


def assert_enqueued(kind: str, /, **args: Any) -> Job:
    """Assert that a job of `kind` was enqueued with (at least) `args`; return the newest.

    Values may be Python's (a UUID, a date): they are compared as JSON.

    Raises:
        AssertionError: there is none; it names the jobs that there are.
        UnknownKind: no job of this kind is declared.
    """
    jobs = _of_kind(kind)
    for job in jobs:
        if _matches(job, args):
            return job
    raise AssertionError(f"No {_call(kind, args)} was enqueued. {_seen(kind, jobs)}")


def assert_not_enqueued(kind: str, /, **args: Any) -> None:
    """Assert that no job of `kind` was enqueued with `args`.

    Raises:
        AssertionError: there is one; it is named.
        UnknownKind: no job of this kind is declared.
    """
    for job in _of_kind(kind):
        if _matches(job, args):
            raise AssertionError(f"{_call(kind, job.args)} was enqueued: job {job.id}.")


def perform_job(kind: str, /, **args: Any) -> Any:
    """Enqueue a job, run it here and now, and return its result as a caller would read it.

    Whatever the handler raises is raised (Snooze and GiveUp too), after it was settled, and
    whatever `celeriac.enqueue` raises.

    Raises:
        AssertionError: the job may not start; it names the reasons.
    """
    job = enqueue_job(kind, args)
    runs = execute.answer_doorbell([job.id], context=_worker_context())
    if not _started(runs):
        reasons = "; ".join(wait.sentence for wait in waiting_reasons(job) if wait.code in _HOLDS)
        raise AssertionError(f"{_call(kind, args)} may not start: {reasons or 'it was not due'}.")
    if runs[0].error is not None:
        raise runs[0].error
    return Job.objects.get(pk=job.id).result


def drain(
    queue: str | None = None, /, *, with_scheduled: bool = False, limit: int = 1000
) -> list[Job]:
    """Run what is due, and what that enqueues, until nothing is left; return the jobs that ran.

    A handler's error is settled as in production (retried later, or dead), not
    raised: look at the returned jobs. Jobs whose run_at is ahead stay, unless
    `with_scheduled` says that time does not matter: then retries and snoozes run
    to their end, too.

    Raises:
        AssertionError: more are due after `limit` runs.
    """
    ran: dict[UUID, None] = {}
    held: set[UUID] = set()
    runs = 0
    settle_nodes()
    while (job_id := _next(queue, held, with_scheduled=with_scheduled)) is not None:
        if not _started(execute.answer_doorbell([job_id], context=_worker_context())):
            held.add(job_id)  # by a lock, a pause, a circuit: perhaps not after the next run
            continue
        settle_nodes()
        ran[job_id] = None
        held.clear()
        runs += 1
        if runs > limit:
            raise AssertionError(f"drain() ran {limit} jobs and more are due, such as {job_id}.")
    found = Job.objects.in_bulk(list(ran))
    return [found[job_id] for job_id in ran if job_id in found]


#: The reasons of waiting() that also hold where no worker and no dispatcher is needed.
_HOLDS = frozenset({*(hold.code for hold in holds.HOLDS), holds.PROBE})


def _next(queue: str | None, held: set[UUID], *, with_scheduled: bool) -> UUID | None:
    parameters = {"queue": queue, "held": list(held)}
    if with_scheduled:
        queries.execute(_BRING_FORWARD, parameters)
    row = queries.fetch_row(_NEXT, parameters)
    return row[0] if row else None


def _started(runs: list[Run]) -> bool:
    """Say whether a handler ran: a half-open circuit sends jobs back as if never claimed."""
    return any(run.is_cut_short or run.settlement.verb is not Verb.RELEASE for run in runs)


def _worker_context() -> WorkerContext:
    return WorkerContext(worker=uuid4(), capabilities=capabilities())


def _of_kind(kind: str) -> list[Job]:
    name = registry.find_kind(kind).name
    return list(Job.objects.filter(kind=name).order_by("-id"))


def _matches(job: Job, args: dict[str, Any]) -> bool:
    wanted = to_jsonable_python(args)
    return all(name in job.args and job.args[name] == value for name, value in wanted.items())


def _call(kind: str, args: dict[str, Any]) -> str:
    inside = ", ".join(f"{name}={json.dumps(value, default=str)}" for name, value in args.items())
    return f"{kind}({inside})"


def _seen(kind: str, jobs: list[Job]) -> str:
    if jobs:
        return f"Of that kind there were: {', '.join(_call(kind, job.args) for job in jobs[:5])}."
    others = sorted(set(Job.objects.values_list("kind", flat=True).distinct()))
    return f"There were jobs of: {', '.join(others)}." if others else "Nothing was."
