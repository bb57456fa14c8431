"""What can go wrong with money."""

from celeriac import CeleriacError


class PaymentError(CeleriacError):
    """A payment was refused."""


class InvalidAmount(PaymentError):
    """The amount or its currency makes no sense."""


class PaymentNotFound(PaymentError):
    """There is no such payment or operation."""


class WrongState(PaymentError):
    """The payment's state forbids it."""


class RefundTooLarge(PaymentError):
    """More would be given back than was captured."""


class ParametersChanged(PaymentError):
    """The operation's parameters are not those its idempotency key was committed with."""


class InvalidWebhook(PaymentError):
    """The webhook's signature, age or body is not the provider's."""


class GatewayFault(PaymentError):
    """The provider failed; what it did with the request depends on the subclass."""

    retry_after: float | None = None


class OutcomeUnknown(GatewayFault):
    """The request was sent and no answer says what became of it: money may have moved.

    `replayed` is true when the provider answered with a failure that it had saved under the
    idempotency key: asking again with that key will only bring the same answer.
    """

    def __init__(self, message: str = "", *, replayed: bool = False) -> None:
        super().__init__(message)
        self.replayed = replayed


class GatewayUnavailable(GatewayFault):
    """The request was not sent: no connection to the provider."""


class GatewayRateLimited(GatewayFault):
    """The provider refused to look at the request: too many of them."""

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class GatewayMisconfigured(PaymentError):
    """The provider does not accept our credentials: check STRIPE_API_KEY."""

    #: An answer, as circuit breakers see it: the provider is well.
    http_status = 401
