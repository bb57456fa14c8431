"""The one way a request leaves for a payment provider."""

from collections.abc import Callable

from celeriac import guard, require_no_transaction

BREAKER = "payments"


def call_gateway[T](action: Callable[[], T]) -> T:
    """Return what `action` answers, guarded by the payments circuit.

    Raises CallInTransaction inside a transaction, CircuitOpen when nothing was sent, and
    whatever the gateway raises.
    """
    require_no_transaction("A payment provider was called")
    with guard(BREAKER):
        return action()
