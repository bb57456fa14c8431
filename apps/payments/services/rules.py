"""The rules of resolution from the settings, and how far an operation is."""

from datetime import timedelta

from django.conf import settings

from apps.payments import resolution
from apps.payments.models import Operation
from apps.payments.resolution import OperationStatus, ResolutionRules


def resolution_rules() -> ResolutionRules:
    """Return the rules as the settings have them."""
    return ResolutionRules(
        key_life=timedelta(hours=settings.PAYMENTS_KEY_HOURS),
        max_lookups=settings.PAYMENTS_MAX_LOOKUPS,
        lookup_settle=timedelta(seconds=settings.PAYMENTS_LOOKUP_SETTLE_SECONDS),
        base=settings.PAYMENTS_RESOLVE_BASE_SECONDS,
        cap=settings.PAYMENTS_RESOLVE_CAP_SECONDS,
    )


def operation_status(operation: Operation) -> OperationStatus:
    """Return what its resolution looks at; the operation must have been submitted."""
    if operation.submitted_at is None or operation.called_at is None:
        raise ValueError(f"{operation} was never submitted.")
    return OperationStatus(
        submitted_at=operation.submitted_at,
        called_at=operation.called_at,
        attempts=operation.attempts,
        lookups=operation.lookups,
        key_spent=operation.key_spent,
        provider_knows=bool(operation.provider_id),
    )


def seconds_to_step(operation: Operation) -> float:
    """Return the seconds until the operation's next step."""
    return resolution.seconds_to_next_step(operation_status(operation), resolution_rules())
