"""Stripe's errors: status, JSON shape and wording, one constructor each."""

from typing import Any

from sandbox.common.http import Response

type Json = dict[str, Any]


class ApiError(Exception):
    """An answer of the API that is an error."""

    def __init__(self, status: int, error: Json, **headers: str) -> None:
        super().__init__(error["message"])
        self.status = status
        self.error = {name: value for name, value in error.items() if value is not None}
        self.headers = headers

    def response(self) -> Response:
        """Return the error as the API sends it."""
        return Response.of_json({"error": self.error}, self.status, **self.headers)


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Refuse a request that makes no sense as it is."""
    error = {"type": "invalid_request_error", "message": message, "param": param, "code": code}
    return ApiError(400, error)


def unexpected_state(message: str, payment_intent: Json) -> ApiError:
    """Refuse a verb that the PaymentIntent's status does not allow."""
    error = {
        "type": "invalid_request_error",
        "code": "payment_intent_unexpected_state",
        "message": message,
        "payment_intent": payment_intent,
    }
    return ApiError(400, error)


def missing(kind: str, object_id: str, param: str = "id") -> ApiError:
    """Refuse: there is no such object."""
    error = {
        "type": "invalid_request_error",
        "code": "resource_missing",
        "param": param,
        "message": f"No such {kind}: '{object_id}'",
    }
    return ApiError(404, error)


def unknown_url(method: str, path: str) -> ApiError:
    """Refuse: no such endpoint, or one that this stand-in does not imitate."""
    message = f"Unrecognized request URL ({method}: {path})."
    return ApiError(404, {"type": "invalid_request_error", "message": message})


def unauthenticated(message: str) -> ApiError:
    """Refuse: no API key, or not one of ours."""
    return ApiError(401, {"type": "invalid_request_error", "message": message})


def rate_limited(retry_after: float) -> ApiError:
    """Refuse one of too many requests; the header says for how many seconds to stay away."""
    error = {
        "type": "invalid_request_error",
        "code": "rate_limit",
        "message": "Too many requests hit the API too quickly. We recommend an exponential "
        "backoff of your requests.",
    }
    return ApiError(429, error, Retry_After=f"{max(1, round(retry_after))}")


def server_error() -> ApiError:
    """Fail at the provider's end."""
    error = {
        "type": "api_error",
        "message": "An unknown error occurred while processing your "
        "request. The effect of this request is not known.",
    }
    return ApiError(500, error)


def unavailable() -> ApiError:
    """Be down and say so."""
    return ApiError(503, {"type": "api_error", "message": "The API is temporarily unavailable."})


def other_parameters(key: str) -> ApiError:
    """Refuse an idempotency key that came again with other parameters."""
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different "
        "request."
    )
    return ApiError(400, {"type": "idempotency_error", "message": message})


def other_endpoint(key: str, path: str, first: str) -> ApiError:
    """Refuse an idempotency key that came again at another endpoint."""
    message = (
        "Keys for idempotent requests can only be used for the same endpoint they were first used "
        f"for ('{path}' vs '{first}'). Try using a key other than '{key}' if you meant to execute "
        "a different request."
    )
    return ApiError(400, {"type": "idempotency_error", "message": message})


def key_in_use(key: str) -> ApiError:
    """Refuse an idempotency key whose first request still runs."""
    error = {
        "type": "idempotency_error",
        "code": "idempotency_key_in_use",
        "message": "There is currently another in-progress request using this idempotent key "
        f"(that probably means you submitted twice, and the other request is still going "
        f"through): {key}. Please try again later.",
    }
    return ApiError(409, error)


#: What a card's issuer said, by decline code.
DECLINES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "lost_card": "Your card was declined.",
    "stolen_card": "Your card was declined.",
    "fraudulent": "Your card was declined.",
    "do_not_honor": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}
#: Decline codes that are error codes of their own; the others come as card_declined.
OWN_CODES = {"expired_card", "incorrect_cvc", "processing_error"}


def decline_error(decline_code: str, charge: str) -> Json:
    """Return the error body of a decline, as it also stands in `last_payment_error`."""
    code = decline_code if decline_code in OWN_CODES else "card_declined"
    message = DECLINES.get(decline_code, DECLINES["generic_decline"])
    return {
        "type": "card_error",
        "code": code,
        "decline_code": decline_code,
        "message": message,
        "charge": charge,
    }


def declined(error: Json, payment_intent: Json) -> ApiError:
    """Decline the card: an answer, not a failure of the provider."""
    return ApiError(402, {**error, "payment_intent": payment_intent})
