"""The ladder's rules from the settings, and where an operation stands on it."""

from datetime import timedelta

from django.conf import settings

from apps.payments import ladder
from apps.payments.ladder import Rules, Standing
from apps.payments.models import Operation


def rules() -> Rules:
    """Return the rules as the settings have them."""
    return Rules(
        key_life=timedelta(hours=settings.PAYMENTS_KEY_HOURS),
        max_lookups=settings.PAYMENTS_MAX_LOOKUPS,
        lookup_settle=timedelta(seconds=settings.PAYMENTS_LOOKUP_SETTLE_SECONDS),
        base=settings.PAYMENTS_RESOLVE_BASE_SECONDS,
        cap=settings.PAYMENTS_RESOLVE_CAP_SECONDS,
    )


def standing(operation: Operation) -> Standing:
    """Return what the ladder looks at; the operation must have been submitted."""
    if operation.submitted_at is None or operation.called_at is None:
        raise ValueError(f"{operation} was never submitted.")
    return Standing(
        submitted_at=operation.submitted_at,
        called_at=operation.called_at,
        attempts=operation.attempts,
        lookups=operation.lookups,
        key_spent=operation.key_spent,
        provider_knows=bool(operation.provider_id),
    )


def wait(operation: Operation) -> float:
    """Return the seconds until the operation's next step."""
    return ladder.wait(standing(operation), rules())
