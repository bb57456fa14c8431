"""Editing a job's arguments: validated by its kind, the old ones kept in the audit trail."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from celeriac.core.sqlstates import violates
from celeriac.jobs import registry, schemas
from celeriac.jobs.enqueueing import searching, templates
from celeriac.jobs.enqueueing.draft import checked_args
from celeriac.jobs.errors import Superseded
from celeriac.jobs.models import Job, SearchTerm
from celeriac.jobs.models.job import UNIQUE_KEY_QUEUED
from celeriac.jobs.operating.redacted_args import redact_args, restore_args
from celeriac.jobs.registry import Kind


def write_args(job: Job, args: Mapping[str, Any]) -> dict[str, Any]:
    """Give a locked job other arguments; return the old and the new ones, secrets redacted.

    Keys that its kind makes from arguments are made anew. Raises UnknownKind, InvalidArgs and
    Superseded (a job of the new unique key is queued).
    """
    kind = registry.find_kind(job.kind)
    values = checked_args(kind, restore_args(kind, args, job.args))
    _write(job, values, _keys(kind, job, values))
    _index(job, kind, values)
    return {
        "state": job.state,
        "args_before": redact_args(kind, job.args),
        "args_after": redact_args(kind, values),
    }


def _keys(kind: Kind, job: Job, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that are made from arguments; one that the caller chose stays."""
    made = {}
    for field, template in (("unique_key", kind.unique), ("lock_key", kind.lock)):
        if template is not None:
            named = (kind.schema.named(args) for args in (job.args, values))
            old, new = (templates.render_key(template, a, kind.schema.defaults) for a in named)
            if field == "unique_key":
                old, new = (schemas.key_within(job.tenant, key) for key in (old, new))
            if getattr(job, field) == old:
                made[field] = new
    return made


def _write(job: Job, values: dict[str, Any], keys: dict[str, str]) -> None:
    try:
        with transaction.atomic():
            Job.objects.filter(pk=job.pk).update(args=values, **keys)
    except IntegrityError as error:
        if not violates(error, UNIQUE_KEY_QUEUED):
            raise
        raise Superseded(
            f"Another job of the unique key {keys['unique_key']!r} is queued already."
        ) from error


def _index(job: Job, kind: Kind, values: dict[str, Any]) -> None:
    """Let the job be found by what it says now."""
    if kind.search:
        SearchTerm.objects.filter(job_id=job.pk, field__in=kind.search).delete()
        pairs = searching.terms_of_args(kind, kind.schema.named(values))
        SearchTerm.objects.bulk_create(
            [SearchTerm(job_id=job.pk, field=field, value=value) for field, value in pairs]
        )
