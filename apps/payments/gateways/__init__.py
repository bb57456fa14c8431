"""Payment providers behind one small interface."""

from functools import cache

from django.conf import settings

from apps.payments.gateways.base import Gateway
from apps.payments.gateways.stripe import StripeGateway


@cache
def _stripe(key: str, base: str, timeout: float) -> StripeGateway:
    return StripeGateway(key=key, base=base, timeout=timeout)


def gateway(provider: str) -> Gateway:
    """Return the provider's gateway, built once for its settings; LookupError for a stranger."""
    if provider != StripeGateway.name:
        raise LookupError(f"No payment provider {provider!r} is wired in.")
    return _stripe(settings.STRIPE_API_KEY, settings.STRIPE_API_BASE, settings.PAYMENTS_TIMEOUT)


__all__ = ["Gateway", "StripeGateway", "gateway"]
