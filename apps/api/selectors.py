"""Reading an account's own jobs; anybody else's do not exist for it."""

from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.api.bodies import JobQuery
from apps.api.models import ServiceAccount
from apps.api.problems import Forbidden
from apps.api.shapes import SUMMARY
from apps.jobs.api import Job, JobNotFound
from apps.jobs.models import Attempt
from apps.jobs.models.job import OF_ACCOUNTS, JobQuerySet


def jobs_of(account: ServiceAccount) -> JobQuerySet:
    """Return the jobs that the account enqueued. The second condition names their index."""
    return Job.objects.filter(OF_ACCOUNTS, enqueued_by=account.origin)


def job_of(account: ServiceAccount, job_id: UUID, verb: str) -> Job:
    """Return one of the account's jobs; raises JobNotFound, and Forbidden without the verb."""
    job = jobs_of(account).filter(pk=job_id).first()
    if job is None:
        raise JobNotFound(f"There is no job {job_id} of {account.name}.")
    if not account.may(verb, job.kind):
        raise Forbidden(f"No grant of {account.name} covers it: {verb} {job.kind!r}.")
    return job


def attempts_of(job: Job) -> list[Attempt]:
    """Return its remembered runs, in order."""
    return list(Attempt.objects.filter(job_id=job.id).order_by("number", "id"))


def page_of(account: ServiceAccount, query: JobQuery) -> tuple[list[Job], UUID | None]:
    """Return a page of the account's jobs that it may read, newest first; where the next begins."""
    filters: dict[str, Any] = {
        "state": query.state,
        "kind": query.kind,
        "queue": query.queue,
        "created_at__gt": query.created_after,
        "id__lt": query.cursor,
    }
    given = {name: value for name, value in filters.items() if value is not None}
    readable = jobs_of(account).filter(_readable(account), **given)
    rows = list(readable.order_by("-id").only(*SUMMARY)[: query.limit + 1])
    more = rows[query.limit - 1].id if len(rows) > query.limit else None
    return rows[: query.limit], more


def _readable(account: ServiceAccount) -> Q:
    """Return the condition on jobs of kinds that a grant lets the account read."""
    patterns = [grant.kinds for grant in account.grants.all() if "read" in grant.verbs]
    if "*" in patterns:
        return Q()
    begin = [Q(kind__startswith=each[:-1]) for each in patterns if each.endswith("*")]
    return reduce(or_, begin, Q(kind__in=patterns))
