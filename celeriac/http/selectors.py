"""Reading an account's own jobs; anybody else's do not exist for it."""

from datetime import timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import Q

from celeriac.core.ids import lowest_uuid7
from celeriac.http.bodies import JobQuery
from celeriac.http.models import ServiceAccount
from celeriac.http.problems import Forbidden
from celeriac.http.shapes import SUMMARY
from celeriac.jobs.errors import JobNotFound
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.models.job import OF_ACCOUNTS, JobQuerySet

#: How many of an account's jobs one page looks at to find those that filters ask for.
LOOKED = 20_000
#: How far the clocks of those who make ids may be apart from the database's.
_SKEW = timedelta(days=1)


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
    """Return a page of the account's jobs that it may read, newest first; where the next begins.

    Under filters, which no index serves, LOOKED jobs are looked at: a page may hold fewer than
    the limit, or none, and the next one goes on behind them.
    """
    filters = {
        "state": query.state,
        "kind": query.kind,
        "queue": query.queue,
        "created_at__gt": query.created_after,
    }
    given = [Q(**{name: value}) for name, value in filters.items() if value is not None]
    given += filter(None, [_readable(account)])
    found = jobs_of(account).order_by("-id")
    if query.cursor is not None:
        found = found.filter(id__lt=query.cursor)
    if query.created_after is not None:
        found = found.filter(id__gte=lowest_uuid7(query.created_after - _SKEW))
    last = None
    if given:
        last = found.values_list("id", flat=True)[LOOKED - 1 : LOOKED].first()
        found = found.filter(*given, **({} if last is None else {"id__gte": last}))
    rows = list(found.only(*SUMMARY)[: query.limit + 1])
    more = rows[query.limit - 1].id if len(rows) > query.limit else last
    return rows[: query.limit], more


def _readable(account: ServiceAccount) -> Q:
    """Return the condition on jobs of kinds that a grant lets the account read."""
    patterns = [grant.kinds for grant in account.grants.all() if "read" in grant.verbs]
    if "*" in patterns:
        return Q()
    begin = [Q(kind__startswith=each[:-1]) for each in patterns if each.endswith("*")]
    return reduce(or_, begin, Q(kind__in=patterns))
