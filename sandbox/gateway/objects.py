"""Stripe-shaped objects: what each looks like when it is new."""

import secrets
from typing import Any

type Json = dict[str, Any]

API_VERSION = "2026-10-28.endive"


def new_id(prefix: str) -> str:
    """Return an id like Stripe's."""
    return f"{prefix}_{secrets.token_hex(12)}"


def payment_intent(*, created: int, amount: int, currency: str, **given: Any) -> Json:
    """Return a new PaymentIntent; `given` overrides any field."""
    object_id = new_id("pi")
    return {
        "id": object_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{object_id}_secret_{secrets.token_hex(8)}",
        "confirmation_method": "automatic",
        "created": created,
        "currency": currency,
        "customer": None,
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "payment_method": None,
        "payment_method_types": ["card"],
        "receipt_email": None,
        "status": "requires_payment_method",
        **given,
    }


def charge(*, created: int, intent: Json, payment_method: str, **given: Any) -> Json:
    """Return a new Charge of a PaymentIntent, captured and paid unless `given` says otherwise."""
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "captured": True,
        "created": created,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": {"network_status": "approved_by_network", "type": "authorized"},
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": payment_method,
        "receipt_email": intent["receipt_email"],
        "refunded": False,
        "status": "succeeded",
        **given,
    }


def failure(error: Json) -> Json:
    """Return the fields of a Charge that its issuer declined."""
    outcome = {
        "network_status": "declined_by_network",
        "type": "issuer_declined",
        "reason": error["decline_code"],
        "seller_message": error["message"],
    }
    return {
        "amount_captured": 0,
        "captured": False,
        "failure_code": error["code"],
        "failure_message": error["message"],
        "outcome": outcome,
        "paid": False,
        "status": "failed",
    }


def refund(*, created: int, charge: Json, amount: int, **given: Any) -> Json:
    """Return a new Refund of a Charge."""
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": None,
        "status": "succeeded",
        **given,
    }


def event(*, created: int, kind: str, about: Json) -> Json:
    """Return an Event with a snapshot of the object that it is about."""
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
