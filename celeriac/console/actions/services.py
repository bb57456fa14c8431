"""Beginning, finishing and stopping an action over a selection of jobs."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from celeriac.console.actions import selection
from celeriac.console.actions.errors import BulkError, NotAllowed, NothingToStop
from celeriac.console.actions.models import BulkAction, BulkState
from celeriac.console.actions.permissions import bulk_action, may_apply
from celeriac.console.actions.runner import BatchResult, apply_batch, bulk_run, end_bulk
from celeriac.core import audit, clock
from celeriac.core.ids import uuid7
from celeriac.jobs.enqueueing.enqueue import enqueue
from celeriac.jobs.enqueueing.locks import bounded_wait
from celeriac.jobs.errors import EnqueueBusy, JobNotFound, TransitionRefused
from celeriac.jobs.operating.actions import Action
from celeriac.jobs.operating.operate import cancel, checked_values

Actor = Any  # a user, or the name of somebody at the command line

#: A set up to this size is done at once, so that fixing a stuck worker needs no worker.
AT_ONCE = 100


def bulk_start(
    *,
    verb: str,
    filter: Mapping[str, Any],
    actor: Actor,
    reason: str,
    parameters: Mapping[str, Any] | None = None,
    bulk_id: UUID | None = None,
) -> BulkAction:
    """Begin to do the action `verb` to the jobs that `filter` holds now; return its row.

    A small set is done when this returns; a larger one by a job of its own. The same
    `bulk_id` again returns the same row: a form sent twice acts once.

    Raises:
        UnknownAction: there is no such action.
        NotAllowed: `actor` may not do this, or somebody else began it.
        BadFilter: the filter can't be applied.
        BulkError: there is no reason.
        InvalidOption: a field has no value, or one that does not fit.
        UnknownQueue: no queue of that name is declared.
    """
    action = bulk_action(verb)
    if not may_apply(action, actor):
        raise NotAllowed(f"{actor} may not do this: {action.title}.")
    if not (reason.strip() or isinstance(actor, str)):
        raise BulkError("Say why: a bulk action needs a reason.")
    checked = checked_values(action, parameters or {})
    bulk_id = bulk_id or uuid7()
    with suppress(IntegrityError), transaction.atomic():  # sent twice: the other one began it
        said = {"filter": dict(filter), "parameters": checked, "reason": reason}
        _begin(bulk_id, action, actor, said)
    bulk = BulkAction.objects.get(pk=bulk_id)
    if bulk.principal != actor:
        raise NotAllowed("This action was begun by somebody else.")
    return bulk


def bulk_finish(bulk: BulkAction) -> BulkAction:
    """Do all of it here and now; return its row. Were this cut short, its job would go on.

    Raises:
        EnqueueBusy: that job, or whoever holds a unique key, takes too long.
    """
    wait = 0.0 if bulk.is_open else None
    while wait is not None:
        time.sleep(wait)
        wait = bulk_run(bulk_id=bulk.pk).wait
    bulk.refresh_from_db()
    return bulk


def bulk_stop(bulk_id: UUID, *, actor: Actor, reason: str = "") -> BulkAction:
    """Stop an action between two batches; what it did stays done. Return its row.

    Raises:
        NotAllowed: `actor` may not do this.
        NothingToStop: it has ended.
        EnqueueBusy: somebody else holds its row.
    """
    with bounded_wait(f"the bulk action {bulk_id}"):
        bulk = BulkAction.objects.select_for_update(of=("self",)).get(pk=bulk_id)
        if not may_apply(bulk_action(bulk.verb), actor):
            raise NotAllowed(f"{actor} may not stop this.")
        if not bulk.is_open:
            raise NothingToStop(f"It has ended already: {bulk.state}.")
        end_bulk(bulk, BulkState.STOPPED, f"stopped by {actor}" + (f": {reason}" if reason else ""))
        audit.record("bulk.stop", "bulk", bulk_id, actor=actor, reason=reason)
    if bulk.job is not None:
        with suppress(TransitionRefused, JobNotFound, EnqueueBusy):
            cancel(bulk.job)  # its next batch would find it stopped anyway
    bulk.refresh_from_db()
    return bulk


def _begin(bulk_id: UUID, action: Action, actor: Actor, said: dict[str, Any]) -> None:
    filter, cutoff, is_command = said["filter"], clock.db_now(), isinstance(actor, str)
    chosen = selection.before_cutoff(selection.selected_jobs(filter, action, actor=actor), cutoff)
    total = selection.count_jobs(chosen)
    entry = audit.record(
        action.audited,
        "job",
        actor=actor,
        count=0,
        reason=said["reason"],
        filter=filter,
        details={
            "bulk": str(bulk_id),
            "verb": action.name,
            "cutoff": cutoff.isoformat(),
            **({"command": True} if is_command else {}),
            **action.facts,
            **said["parameters"],
        },
    )
    BulkAction.objects.create(
        id=bulk_id,
        verb=action.name,
        actor_name=str(actor)[:254],
        audit=entry,
        cutoff=cutoff,
        total=total,
        chosen=selection.frozen_ids(filter, chosen, total),
        actor=None if is_command else actor,
        **said,
    )
    if total is None or total > AT_ONCE or not _done_at_once(bulk_id):
        job = enqueue(selection.KIND, {"bulk_id": bulk_id})
        BulkAction.objects.filter(pk=bulk_id).update(job=job.id)


def _done_at_once(bulk_id: UUID) -> bool:
    """Apply a small set here and now, and say whether nothing is left for a job."""
    with suppress(EnqueueBusy):
        left = BatchResult.MORE
        while left is BatchResult.MORE:
            left = apply_batch(bulk_id)
        return left is BatchResult.OVER
    return False
