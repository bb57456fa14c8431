"""Stripe, through its official SDK. Retries are the ledger's, so the SDK makes none."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

import requests
import stripe

from apps.payments.errors import (
    GatewayMisconfigured,
    GatewayRateLimited,
    GatewayUnavailable,
    OutcomeUnknown,
)
from apps.payments.gateways.base import (
    Answer,
    Cancelled,
    Declined,
    InFlight,
    Lookup,
    NotFound,
    Params,
    Rejected,
    Remote,
    Succeeded,
    Unfinished,
)
from apps.payments.gateways.traced import TracedClient
from apps.payments.states import OperationKind

#: The SDK would keep an id of this machine in the home directory, and tell of past requests.
stripe.enable_telemetry = False

PAGE = 100
#: Currencies whose amounts Stripe counts in other units than ISO 4217 does. Charging one of them
#: by its minor unit would take a hundredth, or a hundredfold.
COUNTED_OTHERWISE = frozenset({"isk", "mga", "ugx"})
#: Errors before the request left: nothing was executed.
_NOT_SENT = (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)


class StripeGateway:
    """PaymentIntents that are confirmed as they are made, and refunds of them."""

    name: ClassVar[str] = "stripe"

    def __init__(self, *, key: str, base: str = "", timeout: float = 5.0) -> None:
        self._client = stripe.StripeClient(
            key or "unset",
            base_addresses={"api": base.rstrip("/")} if base else {},
            max_network_retries=0,
            http_client=TracedClient(timeout=timeout),
        )

    def perform(self, kind: OperationKind, params: Params, key: str) -> Answer:
        """Ask for the operation under its idempotency key."""
        options: Any = {"idempotency_key": key}
        match kind:
            case OperationKind.CAPTURE:
                if params["currency"] in COUNTED_OTHERWISE:
                    return _counted_otherwise(params["currency"])
                return _ask(lambda: _of_intent(self._charge(params, options)))
            case OperationKind.REFUND:
                return _ask(lambda: _of_refund(self._refund(params, options)))
            case OperationKind.CANCEL:
                return _ask(lambda: _of_cancel(self._cancel(params, options)))

    def find(self, lookup: Lookup) -> Answer:
        """Return what became of an operation: by the provider's id, else by our reference."""
        if lookup.kind is OperationKind.REFUND:
            return _ask(lambda: self._find_refund(lookup))
        known = lookup.provider_id or lookup.payment_provider_id
        read = _of_cancel if lookup.kind is OperationKind.CANCEL else _of_intent
        if known:
            return _ask(lambda: read(self._client.v1.payment_intents.retrieve(known)))
        return _ask(lambda: self._search(lookup.operation_id))

    def fetch(self, provider_id: str) -> Remote | None:
        """Return one payment from Stripe's books, None where it has no such payment."""
        params: Any = {"expand": ["latest_charge"]}
        try:
            intent: Any = self._client.v1.payment_intents.retrieve(provider_id, params)
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                return None
            raise GatewayMisconfigured(str(error)) from error
        except stripe.StripeError as error:
            raise _fault(error) from error
        return _remote(intent, intent.latest_charge)

    def page(
        self, since: datetime, until: datetime, after: str = ""
    ) -> tuple[list[Remote], str | None]:
        """Return one page of the charges made in [since, until), newest first, and a cursor."""
        created = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
        params: Any = {"created": created, "limit": PAGE, "expand": ["data.payment_intent"]}
        if after:
            params["starting_after"] = after
        try:
            listed: Any = self._client.v1.charges.list(params)
        except stripe.StripeError as error:
            raise _fault(error) from error
        rows = [_remote(charge.payment_intent, charge) for charge in listed.data]
        return rows, rows[-1].charge_id if listed.has_more and rows else None

    def _charge(self, params: Params, options: Any) -> Any:
        fields: Any = {
            "amount": params["amount"],
            "currency": params["currency"],
            "payment_method": params["payment_method"],
            "payment_method_types": ["card"],
            "confirm": True,
            "description": params["description"] or params["reference"],
            "metadata": _metadata(params),
        }
        return self._client.v1.payment_intents.create(fields, options)

    def _refund(self, params: Params, options: Any) -> Any:
        fields: Any = {
            "payment_intent": params["payment_provider_id"],
            "amount": params["amount"],
            "metadata": _metadata(params),
        }
        return self._client.v1.refunds.create(fields, options)

    def _cancel(self, params: Params, options: Any) -> Any:
        return self._client.v1.payment_intents.cancel(params["payment_provider_id"], None, options)

    def _search(self, operation_id: str) -> Answer:
        query = f"metadata['operation']:'{operation_id}'"
        found = self._client.v1.payment_intents.search({"query": query, "limit": 2}).data
        return _of_intent(found[0]) if found else NotFound()

    def _find_refund(self, lookup: Lookup) -> Answer:
        if lookup.provider_id:
            return _of_refund(self._client.v1.refunds.retrieve(lookup.provider_id))
        params: Any = {"payment_intent": lookup.payment_provider_id, "limit": PAGE}
        for refund in self._client.v1.refunds.list(params).auto_paging_iter():
            if _text(refund.metadata or {}, "operation") == lookup.operation_id:
                return _of_refund(refund)
        return NotFound()


def _metadata(params: Params) -> dict[str, str]:
    return {"reference": params["reference"], "operation": params["operation"]}


def _counted_otherwise(currency: str) -> Declined:
    code = currency.upper()
    message = f"Stripe counts {code} in other units than ISO 4217: charge in another currency."
    return Declined("currency_counted_otherwise", message)


def _ask(action: Callable[[], Answer]) -> Answer:
    """Return the answer; what Stripe refuses is an answer too, what it fails at is a fault."""
    try:
        return action()
    except stripe.CardError as error:
        return _of_card_error(error)
    except (stripe.IdempotencyError, stripe.InvalidRequestError) as error:
        return Rejected(str(error.code or "invalid_request"), error.user_message or str(error))
    except stripe.StripeError as error:
        if error.http_status == 409:
            return InFlight(error.user_message or str(error))
        raise _fault(error) from error


def _fault(error: stripe.StripeError) -> Exception:
    text = str(error.user_message or error)
    if isinstance(error, stripe.RateLimitError):
        return GatewayRateLimited(text, retry_after=_retry_after(error))
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return GatewayMisconfigured(text)
    if _was_never_sent(error):
        return GatewayUnavailable(text)
    replayed = str((error.headers or {}).get("Idempotent-Replayed", "")).lower() == "true"
    return OutcomeUnknown(f"HTTP {error.http_status or 'no answer'}: {text}", replayed=replayed)


def _was_never_sent(error: stripe.StripeError) -> bool:
    cause = error.__cause__
    if isinstance(cause, _NOT_SENT):
        return True
    refused = isinstance(cause, requests.exceptions.ConnectionError)
    return refused and "NewConnectionError" in repr(cause)


def _retry_after(error: stripe.StripeError) -> float | None:
    value = (error.headers or {}).get("Retry-After")
    return float(value) if value and value.isdigit() else None


def _of_card_error(error: stripe.CardError) -> Declined:
    details: Any = error.error
    intent = getattr(details, "payment_intent", None)
    code = getattr(details, "decline_code", None) or error.code or "card_declined"
    return Declined(str(code), str(error.user_message), str(intent.id) if intent else "")


def _of_intent(intent: Any) -> Answer:
    if intent.status == "succeeded":
        return Succeeded(intent.id, intent.amount_received)
    if intent.status == "canceled":
        return Cancelled(intent.id)
    failure = intent.last_payment_error
    if intent.status == "requires_payment_method" and failure is not None:
        code = getattr(failure, "decline_code", None) or failure.code
        return Declined(str(code), str(failure.message), intent.id)
    return Unfinished(intent.id, intent.status)


def _of_cancel(intent: Any) -> Answer:
    if intent.status == "canceled":
        return Succeeded(intent.id, intent.amount)
    if intent.status == "succeeded":
        return Declined("already_captured", "The payment was captured before.", intent.id)
    return Unfinished(intent.id, intent.status)


def _of_refund(refund: Any) -> Answer:
    if refund.status == "succeeded":
        return Succeeded(refund.id, refund.amount)
    if refund.status in ("failed", "canceled"):
        reason = getattr(refund, "failure_reason", None) or refund.status
        return Declined(str(reason), f"The refund {refund.status}.", refund.id)
    return Unfinished(refund.id, refund.status)


def _remote(intent: Any, charge: Any) -> Remote:
    metadata = intent.metadata or {}
    return Remote(
        provider_id=intent.id,
        charge_id=charge.id if charge is not None else "",
        paid=charge is not None and charge.paid,
        reference=_text(metadata, "reference"),
        operation_id=_text(metadata, "operation"),
        amount=intent.amount,
        captured=intent.amount_received,
        refunded=charge.amount_refunded if charge is not None else 0,
        currency=intent.currency,
        status=intent.status,
        answer=_of_intent(intent),
    )


def _text(metadata: Any, name: str) -> str:
    return str(metadata[name]) if name in metadata else ""
