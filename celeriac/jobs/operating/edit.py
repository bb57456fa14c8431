"""Editing a job's arguments: validated by its kind, the old ones kept in the audit trail."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from celeriac.core import audit
from celeriac.jobs import nudge, registry
from celeriac.jobs.enqueueing import searching, templates
from celeriac.jobs.enqueueing.draft import checked_args
from celeriac.jobs.enqueueing.locks import bounded
from celeriac.jobs.errors import Superseded
from celeriac.jobs.models import Job, SearchTerm
from celeriac.jobs.operating import operate
from celeriac.jobs.operating.masks import masked, unmasked
from celeriac.jobs.registry import Kind
from celeriac.jobs.states import State

EDITABLE = (State.QUEUED, State.DEAD, State.CANCELLED)


def edit(job_id: UUID, *, args: Mapping[str, Any], actor: operate.Actor, reason: str = "") -> Job:
    """Give a job other arguments and return it; one that ended badly is queued again, due now.

    A queued job waits on as it did. Keys that its kind makes from arguments are made
    anew. The old and the new arguments stand in the audit row's details, secrets
    masked. Raises JobNotFound, TransitionRefused, UnknownKind, InvalidArgs, Superseded
    (a job of the same unique key is queued) and EnqueueBusy.
    """
    with bounded(f"job {job_id}"):
        found = Job.objects.select_for_update().filter(pk=job_id, state__in=EDITABLE).first()
        if found is None:
            raise operate.refusal(job_id, "edited", "is queued, dead or cancelled")
        kind = registry.find(found.kind)
        values = checked_args(kind, unmasked(kind, args, found.args))
        _write(found, values, _keys(kind, found, values))
        _index(found, kind, values)
        if found.state == State.QUEUED:
            nudge.after_commit(queue=found.queue, priority=found.priority, run_at=found.run_at)
        elif not operate.retry_ids([job_id]):
            raise operate.twin(job_id) or operate.refusal(job_id, "retried", "is dead or cancelled")
        _record(found, kind, values, actor, reason)
        return Job.objects.get(pk=job_id)


def _keys(kind: Kind, job: Job, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that are made from arguments; one that the caller chose stays."""
    made = {}
    for field, template in (("unique_key", kind.unique), ("lock_key", kind.lock)):
        if template is not None:
            old, new = (
                templates.render(template, kind.schema.named(args), kind.schema.defaults)
                for args in (job.args, values)
            )
            if getattr(job, field) == old:
                made[field] = new
    return made


def _write(job: Job, values: dict[str, Any], keys: dict[str, str]) -> None:
    try:
        with transaction.atomic():
            Job.objects.filter(pk=job.pk).update(args=values, **keys)
    except IntegrityError as error:
        if "job_unique_key_queued" not in str(error):
            raise
        raise Superseded(
            f"Another job of the unique key {keys['unique_key']!r} is queued already."
        ) from error


def _index(job: Job, kind: Kind, values: dict[str, Any]) -> None:
    """Let the job be found by what it says now."""
    if kind.search:
        SearchTerm.objects.filter(job_id=job.pk, field__in=kind.search).delete()
        pairs = searching.of_args(kind, kind.schema.named(values))
        SearchTerm.objects.bulk_create(
            [SearchTerm(job_id=job.pk, field=field, value=value) for field, value in pairs]
        )


def _record(
    job: Job, kind: Kind, values: dict[str, Any], actor: operate.Actor, reason: str
) -> None:
    audit.record(
        verb="job.edit",
        target_type="job",
        target_id=job.pk,
        actor=actor,
        reason=reason,
        details={
            "state": job.state,
            "args_before": masked(kind, job.args),
            "args_after": masked(kind, values),
        },
    )
