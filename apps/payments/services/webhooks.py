"""What a provider tells us. An event is a hint: the state is fetched, so order does not matter."""

from typing import Any
from uuid import UUID

import stripe
from django.conf import settings
from django.db import DataError, transaction

from apps.core.clock import Now
from apps.jobs.api import enqueue
from apps.payments.errors import InvalidWebhook
from apps.payments.gateways import gateway
from apps.payments.gateways.calls import call
from apps.payments.models import Operation, WebhookEvent
from apps.payments.services.record import record
from apps.payments.states import OperationKind, State

TOLERANCE = 300  # seconds
#: What the SDK raises where the body has another shape, or the signature a letter outside ASCII.
_SHAPELESS = (AttributeError, KeyError, TypeError)


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
    remote = call(lambda: gateway(webhook.provider).fetch(webhook.object_id))
    if remote is None:
        return "unknown there"
    operation = _capture(remote.operation_id, webhook.object_id)
    if operation is None:
        return "unknown here"
    if operation.state == State.PENDING:
        return "not submitted yet"
    return record(operation.id, remote.answer, source=webhook.name[:64]).state


def _capture(operation_id: str, provider_id: str) -> Operation | None:
    captures = Operation.objects.filter(kind=OperationKind.CAPTURE)
    try:
        found = captures.filter(id=UUID(operation_id)).first()
    except ValueError:
        found = None
    return found or captures.filter(provider_id=provider_id).first()


def _verified(body: bytes, signature: str) -> dict[str, Any]:
    try:
        event = stripe.Webhook.construct_event(
            body, signature, settings.STRIPE_WEBHOOK_SECRET, TOLERANCE
        )
        payload: dict[str, Any] = event.to_dict()
    except (stripe.SignatureVerificationError, ValueError, *_SHAPELESS) as error:
        raise InvalidWebhook(str(error)) from error
    if not isinstance(payload.get("id"), str):
        raise InvalidWebhook("The event has no id.")
    if not isinstance(payload.get("type", ""), str) or not isinstance(_about(payload), dict):
        raise InvalidWebhook("The event's type is no text, or its data.object no object.")
    return payload


def _about(payload: dict[str, Any]) -> Any:  # noqa: ANN401 any JSON value until it is verified
    """Return what the event is about; an event may be about nothing."""
    data = payload.get("data") or {}
    return data.get("object") or {} if isinstance(data, dict) else data


def _intent_of(about: dict[str, Any]) -> str:
    """Return the id of the payment intent that the object is, or belongs to."""
    found = about.get("id") if about.get("object") == "payment_intent" else None
    return str(found or about.get("payment_intent") or "")
