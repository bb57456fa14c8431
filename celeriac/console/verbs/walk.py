"""Applying a verb batch by batch, each batch a transaction of its own.

A batch locks the verb's own row first, so that two runs take turns and each goes
on where the other committed. Jobs are walked by id behind a cursor, so each is met
once, whatever becomes of it. A job that another transaction holds is not waited
for: it is remembered and tried again at the end, so that one long handler cannot
stop a verb over a hundred thousand.
"""

from collections.abc import Sequence
from enum import Enum
from uuid import UUID

from django.db.models import F

from celeriac.console.verbs import catalogue, choice
from celeriac.console.verbs.catalogue import BulkAction
from celeriac.console.verbs.models import BulkVerb, State
from celeriac.console.verbs.permits import may_apply
from celeriac.core import audit
from celeriac.core.clock import Now
from celeriac.core.errors import CeleriacError
from celeriac.jobs.enqueueing.locks import bounded
from celeriac.jobs.errors import EnqueueBusy
from celeriac.jobs.models import Job

#: Jobs in a batch.
BATCH = 500
#: More held jobs than this are not gathered: they are tried again before the cursor moves on.
MOST_HELD = 5_000
#: How often jobs that others hold are tried again before they are left.
ROUNDS = 5


#: The jobs that nobody held, and those of them that the verb changed.
type _Change = tuple[Sequence[UUID], Sequence[UUID]]


class Step(Enum):
    """What a batch leaves to do."""

    MORE = "more"
    #: Only jobs that other transactions hold are left: wait a little.
    HELD = "held"
    OVER = "over"


def step(bulk_id: UUID) -> Step:
    """Apply the verb to the next batch; return what is left to do.

    A missing permission, or a filter that can no longer be read, ends it as refused.
    Raises EnqueueBusy where another run, or a unique key, is held for too long.
    """
    with bounded(f"the verb over a filter {bulk_id}"):
        rows = BulkVerb.objects.select_for_update(of=("self",)).select_related("actor")
        bulk = rows.filter(pk=bulk_id).first()
        if bulk is None or not bulk.is_open:
            return Step.OVER
        try:
            action = catalogue.find(bulk.verb)
            if not may_apply(action, bulk.actor):
                return end(bulk, State.REFUSED, f"{bulk.actor_name} may no longer do this.")
            return _apply(bulk, action)
        except EnqueueBusy:
            raise
        except CeleriacError as error:
            return end(bulk, State.REFUSED, error.message)


def end(bulk: BulkVerb, state: State, error: str = "") -> Step:
    """Write how it ended."""
    BulkVerb.objects.filter(pk=bulk.pk).update(state=state, error=error, finished_at=Now())
    return Step.OVER


def _apply(bulk: BulkVerb, action: BulkAction) -> Step:
    if len(bulk.held) >= MOST_HELD:
        left = _try_held(bulk, action, rounds=bulk.rounds)
        return Step.HELD if len(left) >= MOST_HELD else Step.MORE
    chosen = choice.until(choice.of(bulk, action), bulk.cutoff)
    if bulk.cursor is not None:
        chosen = chosen.filter(pk__gt=bulk.cursor)
    ids = list(chosen.order_by("pk").values_list("pk", flat=True)[:BATCH])
    if not ids:
        return _finish(bulk, action)
    free, changed = _change(bulk, action, ids)
    taken = set(free)
    held = [str(job_id) for job_id in ids if job_id not in taken]
    _note(bulk, changed, cursor=ids[-1], seen=F("seen") + len(ids), held=bulk.held + held)
    return Step.MORE


def _finish(bulk: BulkVerb, action: BulkAction) -> Step:
    """Try again what others held; what they still hold after some rounds is left as it is."""
    left = _try_held(bulk, action, rounds=bulk.rounds + 1) if bulk.held else []
    if left and bulk.rounds + 1 < ROUNDS:
        return Step.HELD
    note = f"{len(left)} held by other transactions were left as they are." if left else ""
    return end(bulk, State.FINISHED, note)


def _try_held(bulk: BulkVerb, action: BulkAction, *, rounds: int) -> list[str]:
    """Apply the verb to what nobody holds any more; return the ids that somebody still does."""
    ids = [UUID(name) for name in bulk.held]
    free, changed = _change(bulk, action, ids)
    movable = Job.objects.filter(pk__in=ids, state__in=action.states).exclude(pk__in=free)
    still = [str(job_id) for job_id in movable.order_by("pk").values_list("pk", flat=True)]
    _note(bulk, changed, held=still, rounds=rounds)
    return still


def _change(bulk: BulkVerb, action: BulkAction, ids: Sequence[UUID]) -> _Change:
    """Apply the verb to those that nobody holds; return them, and those that changed."""
    movable = Job.objects.filter(pk__in=ids, state__in=action.states).order_by("pk")
    free = list(movable.select_for_update(skip_locked=True).values_list("pk", flat=True))
    return free, action.apply(free, bulk.parameters, bulk.reason) if free else []


def _note(bulk: BulkVerb, changed: Sequence[UUID], **values: object) -> None:
    BulkVerb.objects.filter(pk=bulk.pk).update(
        changed=F("changed") + len(changed),
        state=State.RUNNING,
        error="",
        finished_at=None,
        **values,
    )
    audit.add(bulk.audit_id, changed)
