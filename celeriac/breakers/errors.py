"""What can go wrong at a breaker."""

from datetime import UTC, datetime, timedelta

from pybreaker import CircuitBreakerError

from celeriac.core.errors import CeleriacError


class BreakerError(CeleriacError):
    """The circuit breaker refused."""


class UnknownBreaker(BreakerError):
    """No breaker of this name is declared in BREAKERS."""


class InvalidOptions(BreakerError):
    """The breaker's options do not fit."""


class CircuitOpen(BreakerError, CircuitBreakerError):
    """The circuit is open; nothing was sent.

    `name` is the breaker's, `retry_after` the seconds after which a call may be
    let through, `until` the same as a moment (None when an operator holds the
    circuit open without an end; `retry_after` is then a polite interval).
    """

    def __init__(
        self, message: str = "", *, name: str = "", retry_after: float = 0.0, endless: bool = False
    ) -> None:
        super().__init__(message or f"The circuit {name!r} is open; nothing was sent.")
        self.name = name
        self.retry_after = retry_after
        #: For people and for `run_at`; the decision itself was made by the store's clock.
        self.until = None if endless else datetime.now(UTC) + timedelta(seconds=retry_after)
