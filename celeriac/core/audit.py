"""Writing the audit trail, and reading what it says of one thing."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import F

from celeriac.core.models import Audit, AuditBatch


def record(
    verb: str,
    target_type: str,
    target_id: object = "",
    *,
    actor: Any = None,
    count: int = 1,
    reason: str = "",
    filter: dict[str, Any] | None = None,
    details: dict[str, Any] | None = None,
) -> Audit:
    """Write and return one audit row, in the caller's transaction: what was done to what.

    `actor` is a user, or the name of what acted (`"cli"`, `"system"`).
    """
    user = actor if getattr(actor, "pk", None) else None
    return Audit.objects.create(
        actor=user,
        actor_name=str(actor or "")[:254],
        verb=verb,
        target_type=target_type,
        target_id=str(target_id)[:128],
        count=count,
        reason=reason,
        filter=filter or {},
        details=details or {},
    )


def record_batch(audit_id: UUID, targets: Sequence[UUID]) -> None:
    """Write down what a batch of a bulk action changed, in the batch's transaction."""
    if targets:
        AuditBatch.objects.create(audit_id=audit_id, targets=list(targets))
        Audit.objects.filter(pk=audit_id).update(count=F("count") + len(targets))


def actions_on(target_type: str, target_id: UUID, *, most: int) -> list[Audit]:
    """Return what was done to one thing, alone or among many, oldest first.

    Each entry's `at` is when it met this thing.
    """
    alone = Audit.objects.filter(target_type=target_type, target_id=str(target_id))
    found = list(alone.order_by("-at")[:most])
    # Ids are never those of two things, so the type is not asked: it would lead past the index.
    batches = AuditBatch.objects.filter(targets__contains=[target_id]).defer("targets")
    for batch in batches.select_related("audit").order_by("-at")[:most]:
        batch.audit.at = batch.at
        found.append(batch.audit)
    return sorted(found, key=lambda entry: entry.at)[-most:]
