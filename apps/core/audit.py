"""Writing the audit trail."""

from typing import Any

from apps.core.models import Audit


def record(
    *,
    verb: str,
    target_type: str,
    target_id: object = "",
    actor: Any = None,  # noqa: ANN401 a user, a name such as "cli", or nobody
    count: int = 1,
    reason: str = "",
    filter: dict[str, Any] | None = None,
    details: dict[str, Any] | None = None,
) -> Audit:
    """Write and return one audit row, in the caller's transaction.

    `actor` is a user, or the name of what acted (`"cli"`, `"system"`).
    """
    user = actor if getattr(actor, "pk", None) else None
    return Audit.objects.create(
        actor=user,
        actor_name=str(actor or "")[:254],
        verb=verb,
        target_type=target_type,
        target_id=str(target_id),
        count=count,
        reason=reason,
        filter=filter or {},
        details=details or {},
    )
