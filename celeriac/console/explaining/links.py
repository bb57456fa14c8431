"""Where to look further: the pages around a job, each only where there is something to see."""

from collections.abc import Iterator, Sequence

from django.urls import reverse

from celeriac.console.explaining.facts import Facts
from celeriac.jobs.job_pages import JobPageSection
from celeriac.jobs.phrases import Link
from celeriac.settings import conf


def job_links(facts: Facts, sections: Sequence[JobPageSection]) -> list[Link]:
    """Return the pages around a job, its own app's first."""
    found = [link for each in sections for link in each.links]
    return list(dict.fromkeys([*found, *_own(facts)]))


def _own(facts: Facts) -> Iterator[Link]:
    job, kind = facts.job, facts.kind
    yield Link(f"Queue {job.queue}", "admin:celeriac_jobs_queue_change", (job.queue,))
    if facts.runner:
        name, key = facts.runner.name, str(facts.runner.id)
        yield Link(f"Worker {name}", "admin:celeriac_jobs_worker_change", (key,))
    if kind and kind.breaker:
        yield Link(
            f"Breaker {kind.breaker}", "admin:celeriac_breakers_breaker_change", (kind.breaker,)
        )
    if job.attempt:
        yield Link("Its runs", "admin:celeriac_jobs_attempt_changelist", query=f"q={job.id}")
    yield Link("Its audit trail", "admin:celeriac_core_audit_changelist", query=f"q={job.id}")
    if kind and kind.celery_result:
        page = "admin:django_celery_results_taskresult_changelist"
        yield Link("Celery result", page, query=f"q={job.id}")
    if (trace := facts.trace_id) and conf.TRACE_URL:
        yield Link("Its trace", conf.TRACE_URL.format(trace_id=trace))
    if conf.FLOWER_BASIC_AUTH and job.attempt:
        # A doorbell bears the job's id where the job rang alone.
        yield Link("Its doorbell in Flower", reverse("flower:page", args=[f"task/{job.id}"]))
