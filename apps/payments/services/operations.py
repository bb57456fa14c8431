"""The three movements of every operation: commit it, ask the provider, record the answer."""

from typing import Any
from uuid import UUID

from django.db import transaction

from apps.payments import keys, resolution
from apps.payments.errors import OutcomeUnknown, ParametersChanged
from apps.payments.gateways import gateway
from apps.payments.gateways.base import Lookup, Recorded, Unknown
from apps.payments.gateways.calls import call_gateway
from apps.payments.models import Operation, Payment
from apps.payments.resolution import Step
from apps.payments.services.events import event
from apps.payments.services.locking import lock_operation
from apps.payments.services.record import record_answer, send_to_review
from apps.payments.services.rules import operation_status, resolution_rules
from apps.payments.services.settle import move_operation
from apps.payments.states import OperationKind, State
from celeriac import Now, clock, uuid7


def operation_create(
    *, payment: Payment, kind: OperationKind, amount: int, params: dict[str, Any]
) -> Operation:
    """Write the operation with its key, its parameters and their hash; return it."""
    operation_id = uuid7()
    full = {**params, "reference": payment.reference, "operation": str(operation_id)}
    operation = Operation.objects.create(
        id=operation_id,
        payment=payment,
        kind=kind,
        amount=amount,
        idempotency_key=keys.idempotency_key(operation_id),
        params=full,
        params_hash=keys.params_hash(kind, full),
    )
    event(operation, "created", source="service", after=State.PENDING)
    return operation


def operation_run(*, operation_id: UUID, source: str) -> Operation:
    """Bring an operation one step on and return it; running it again is harmless.

    Raises CircuitOpen and the GatewayFaults after which it stands where it stood; an unknown
    outcome is no error but a state.
    """
    operation, step = _submit(operation_id)
    if step is None:
        return operation
    if step is Step.REVIEW:
        return send_to_review(operation_id, reason=_resolution_ended(operation), source=source)
    return record_answer(operation_id, _answer(operation, step), source=source)


def _submit(operation_id: UUID) -> tuple[Operation, Step | None]:
    """Commit that a call is about to be made, before it is made: hence durable."""
    with transaction.atomic(durable=True):
        operation = lock_operation(operation_id)
        if operation.is_final or operation.waits_for_a_human:
            return operation, None
        _verify(operation)
        if operation.state == State.PENDING:
            move_operation(operation, State.SUBMITTED, "submitted", source="service")
        step = resolution.next_step(operation_status(operation), clock.db_now(), resolution_rules())
        _count(operation, step)
        return operation, step


def _verify(operation: Operation) -> None:
    if keys.params_hash(operation.kind, operation.params) != operation.params_hash:
        raise ParametersChanged(
            f"The parameters of {operation} are not those of {operation.idempotency_key}: "
            "restore them, or let a human decide."
        )


def _count(operation: Operation, step: Step) -> None:
    row = Operation.objects.filter(id=operation.id)
    if step is Step.ASK:
        operation.attempts += 1
        row.update(attempts=operation.attempts, called_at=Now())
    elif step is Step.LOOK_UP:
        operation.lookups += 1
        row.update(lookups=operation.lookups)


def _answer(operation: Operation, step: Step) -> Recorded:
    try:
        return _ask(operation) if step is Step.ASK else _look_up(operation)
    except OutcomeUnknown as error:
        # A look-up that failed to answer leaves the operation as unknown as it was.
        return Unknown(error.message, replayed=error.replayed and step is Step.ASK)


def _ask(operation: Operation) -> Recorded:
    provider = gateway(operation.payment.provider)
    kind = OperationKind(operation.kind)
    return call_gateway(lambda: provider.perform(kind, operation.params, operation.idempotency_key))


def _look_up(operation: Operation) -> Recorded:
    provider = gateway(operation.payment.provider)
    lookup = Lookup(
        kind=OperationKind(operation.kind),
        operation_id=str(operation.id),
        provider_id=operation.provider_id,
        payment_provider_id=operation.payment.provider_id,
    )
    return call_gateway(lambda: provider.find(lookup))


def _resolution_ended(operation: Operation) -> str:
    return (
        f"{operation.attempts} calls and {operation.lookups} look-ups brought no answer: "
        "compare with the provider's dashboard, then decide."
    )
