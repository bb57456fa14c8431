"""What a provider tells us. An event is a hint: the state is fetched, so order does not matter."""

import json
import time
from typing import Any
from uuid import UUID

import stripe
from django.conf import settings
from django.db import DataError, transaction

from apps.payments.errors import InvalidWebhook
from apps.payments.gateways import gateway
from apps.payments.gateways.calls import call_gateway
from apps.payments.models import Operation, WebhookEvent
from apps.payments.services.record import record_answer
from apps.payments.states import OperationKind, State
from celeriac import Now, enqueue, read_uuid

TOLERANCE = 300  # seconds
#: Levels of an event; a provider's have ten or so.
_DEEPEST = 100
_TOO_DEEP = "The event is nested too deeply."


def webhook_receive(*, body: bytes, signature: str) -> WebhookEvent | None:
    """Verify an event over its raw bytes, keep it with its job; return it, or None if known.

    Raises InvalidWebhook.
    """
    payload = _verified(body, signature)
    try:
        return _keep(payload)
    except (DataError, UnicodeEncodeError) as error:
        raise InvalidWebhook(f"The event can't be stored: {error}") from error


def webhook_process(*, webhook_id: UUID) -> str:
    """Fetch what the event is about, record it, and return what that made of the operation.

    Running it again is harmless. Raises CircuitOpen and GatewayFaults.
    """
    webhook = WebhookEvent.objects.get(id=webhook_id)
    if webhook.processed_at is not None:
        return webhook.result
    result = _apply(webhook) if webhook.object_id else "not about a payment"
    WebhookEvent.objects.filter(id=webhook_id).update(processed_at=Now(), result=result)
    return result


def _keep(payload: dict[str, Any]) -> WebhookEvent | None:
    with transaction.atomic():
        found, is_new = WebhookEvent.objects.get_or_create(
            provider="stripe",
            event_id=payload["id"],
            defaults={
                "name": payload.get("type", ""),
                "object_id": _intent_of(_about(payload)),
                "payload": payload,
            },
        )
        if is_new:
            enqueue("payments.webhook", {"webhook_id": found.id})
    return found if is_new else None


def _apply(webhook: WebhookEvent) -> str:
    remote = call_gateway(lambda: gateway(webhook.provider).fetch(webhook.object_id))
    if remote is None:
        return "unknown there"
    operation = _capture(remote.operation_id, webhook.object_id)
    if operation is None:
        return "unknown here"
    if operation.state == State.PENDING:
        return "not submitted yet"
    return record_answer(operation.id, remote.answer, source=webhook.name[:64]).state


def _capture(operation_id: str, provider_id: str) -> Operation | None:
    captures = Operation.objects.filter(kind=OperationKind.CAPTURE)
    key = read_uuid(operation_id)
    found = captures.filter(id=key).first() if key else None
    return found or captures.filter(provider_id=provider_id).first()


def _verified(body: bytes, signature: str) -> dict[str, Any]:
    try:
        stripe.WebhookSignature.verify_header(
            body, signature, settings.STRIPE_WEBHOOK_SECRET, TOLERANCE
        )
    except (stripe.SignatureVerificationError, ValueError, TypeError) as error:
        raise InvalidWebhook(str(error)) from error
    if _signed_at(signature) > time.time() + TOLERANCE:
        raise InvalidWebhook("The event was signed in the future: is a clock wrong?")
    payload = _read(body)
    if not isinstance(payload.get("id"), str):
        raise InvalidWebhook("The event has no id.")
    if not isinstance(payload.get("type", ""), str) or not isinstance(_about(payload), dict):
        raise InvalidWebhook("The event's type is no text, or its data.object no object.")
    return payload


def _signed_at(signature: str) -> int:
    """Return the moment that a verified header names: its first, which is what was signed."""
    parts = (part.split("=", 2) for part in signature.split(","))
    return next(int(part[1]) for part in parts if part[0] == "t")


def _read(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except RecursionError as error:
        raise InvalidWebhook(_TOO_DEEP) from error
    except ValueError as error:
        raise InvalidWebhook(f"The event is no JSON: {error}") from error
    _check_depth(payload)
    if not isinstance(payload, dict):
        raise InvalidWebhook("The event is no JSON object.")
    return payload


def _check_depth(value: Any) -> None:
    """Refuse what some reader after us could not walk through; levels, not calls, are counted."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise InvalidWebhook(_TOO_DEEP)


def _about(payload: dict[str, Any]) -> Any:
    """Return what the event is about; an event may be about nothing."""
    data = payload.get("data") or {}
    return data.get("object") or {} if isinstance(data, dict) else data


def _intent_of(about: dict[str, Any]) -> str:
    """Return the id of the payment intent that the object is, or belongs to."""
    found = about.get("id") if about.get("object") == "payment_intent" else None
    return str(found or about.get("payment_intent") or "")
