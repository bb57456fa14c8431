"""Finding jobs by what an operator has in hand; every way in goes by an index.

In this order: `field=value` of a declared search field; an id; the value of any search
field, a correlation id, a unique or lock key; and where none of them is known, words of
an error. Cost does not grow with history: keys of jobs that have ended are looked for
among the newest LATEST jobs only, unless the kind declares them as search fields.
"""

import re
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from celeriac.core import tables
from celeriac.core.ids import read_uuid
from celeriac.core.queries import fetch_rows
from celeriac.jobs import job_pages, registry
from celeriac.jobs.enqueueing.searching import clip_term
from celeriac.jobs.models import Job, SearchTerm

LATEST = 20_000

#: As the index attempt_error has it, so that the index serves it.
ERROR_WORDS = (
    "to_tsvector('simple', regexp_replace("
    "error_class || ' ' || left(message, 500), '[^[:alnum:]]+', ' ', 'g'))"
)
BY_ERROR = f"""
SELECT job_id FROM {tables.ATTEMPT}
WHERE error_class <> '' AND {ERROR_WORDS} @@ to_tsquery('simple', %s)
"""
BY_KEY = f"""
SELECT id FROM {tables.JOB}
WHERE state = 'queued' AND kind = ANY(%(kinds)s) AND unique_key = %(term)s
UNION
SELECT id FROM {tables.JOB} WHERE state = 'queued' AND lock_key = %(term)s
UNION
SELECT id FROM {tables.JOB}
WHERE state = 'running' AND %(term)s IN (unique_key, lock_key, correlation_id)
UNION
SELECT id FROM (
    SELECT id, unique_key, lock_key, correlation_id FROM {tables.JOB} ORDER BY id DESC LIMIT
        %(latest)s
) newest
WHERE %(term)s IN (unique_key, lock_key, correlation_id)
"""


def search_jobs(jobs: QuerySet[Job], term: str) -> QuerySet[Job]:
    """Return those of `jobs` that the term names; all for an empty one."""
    term = " ".join(term.replace("\x00", "").split())
    if not term:
        return jobs
    field, equals, value = term.partition("=")
    if equals and field.strip() in search_fields():
        return jobs.filter(pk__in=_by_term(value.strip(), field=field.strip()))
    exact = _exact(term)
    if jobs.filter(exact).exists():
        return jobs.filter(exact)
    return jobs.filter(pk__in=_by_error(term))


def search_fields() -> list[str]:
    """Return the names of all declared search fields."""
    declared = {name for kind in registry.declared_kinds() for name in kind.search}
    return sorted(declared | {"correlation_id"})


def _exact(term: str) -> Q:
    named = Q(pk__in=_by_term(term)) | Q(pk__in=_by_key(term))
    key = read_uuid(term)
    if key is None:
        return named
    others = job_pages.search_names(key)
    found = SearchTerm.objects.filter(value__in=others).values_list("job_id", flat=True)
    return named | Q(pk=key) | (Q(pk__in=found) if others else Q())


def _by_term(value: str, **field: str) -> QuerySet[SearchTerm, UUID]:
    found = SearchTerm.objects.filter(value=clip_term(value), **field)
    return found.values_list("job_id", flat=True)


def _by_key(term: str) -> list[UUID]:
    parameters: dict[str, Any] = {"kinds": registry.kind_names(), "term": term, "latest": LATEST}
    return [row[0] for row in fetch_rows(BY_KEY, parameters)]


def _by_error(term: str) -> RawSQL | list[UUID]:
    words = re.findall(r"[^\W_]+", term)
    if not words:
        return []
    return RawSQL(BY_ERROR, [" & ".join([*words[:-1], f"{words[-1]}:*"])])  # noqa: S611 words are letters and digits, and bound
