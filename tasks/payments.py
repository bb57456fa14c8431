"""Jobs that move money. Each may run any number of times: the operation's row decides."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypedDict
from uuid import UUID

from celery.schedules import crontab

from apps.payments import services
from apps.payments.errors import GatewayRateLimited, ParametersChanged, PaymentNotFound
from apps.payments.models import Operation
from apps.payments.selectors import operation_wait
from celeriac import LONGEST, Backoff, Snooze, clock, job

RETRY = Backoff(max_attempts=8, base=2, cap=600, give_up_on=(PaymentNotFound, ParametersChanged))
LOCK = "payment:{payment_id}"
_OPERATION = ("payment_id", "operation_id")
#: How far reconciliation looks back, and how late it may look: books need time to settle.
WINDOW, MARGIN = timedelta(hours=26), timedelta(minutes=10)


class _Call(TypedDict):
    queue: str
    breaker: str
    retry: Backoff
    timeout: float


#: What each kind has that calls the provider once.
_CALL: _Call = {"queue": "payments", "breaker": "payments", "retry": RETRY, "timeout": 30}


@job("payments.capture", lock=LOCK, search=("payment_id",), **_CALL)
def capture(payment_id: UUID) -> dict[str, Any]:
    """Take the money of a payment, once."""
    with _patience():
        return _ended(services.payment_capture(payment_id=payment_id))


@job("payments.refund", lock=LOCK, search=_OPERATION, **_CALL)
def refund(payment_id: UUID, operation_id: UUID) -> dict[str, Any]:
    """Give money back, once."""
    with _patience():
        return _ended(services.operation_resolve(operation_id=operation_id))


@job("payments.cancel", lock=LOCK, search=_OPERATION, **_CALL)
def cancel(payment_id: UUID, operation_id: UUID) -> dict[str, Any]:
    """Cancel what the provider has unfinished."""
    with _patience():
        return _ended(services.operation_resolve(operation_id=operation_id))


@job("payments.resolve", lock=LOCK, unique="operation:{operation_id}", search=_OPERATION, **_CALL)
def resolve(payment_id: UUID, operation_id: UUID) -> dict[str, Any]:
    """Resolve an operation whose own job is gone, or that a human sent again."""
    with _patience():
        return _ended(services.operation_resolve(operation_id=operation_id))


@job("payments.webhook", search=("webhook_id",), **_CALL)
def webhook(webhook_id: UUID) -> str:
    """Fetch what an event of the provider is about and record it."""
    with _patience():
        return services.webhook_process(webhook_id=webhook_id)


@job(
    "payments.sweep",
    queue="maintenance",
    unique="payments.sweep",
    timeout=60,
    schedule=timedelta(minutes=1),
)
def sweep() -> int:
    """Send operations that stand still through their resolution."""
    return services.payments_sweep()


@job(
    "payments.reconcile",
    queue="maintenance",
    unique="payments.reconcile",
    breaker="payments",
    timeout=540,
    schedule=crontab(minute="23", hour="3"),
)
def reconcile(hours: float = WINDOW / timedelta(hours=1)) -> int:
    """Compare the provider's books of the last hours with ours."""
    until = clock.db_now() - MARGIN
    with _patience():
        return services.payments_reconcile(since=until - timedelta(hours=hours), until=until)


@contextmanager
def _patience() -> Iterator[None]:
    """Snooze for as long as the provider asked: that is no failure."""
    try:
        yield
    except GatewayRateLimited as error:
        raise Snooze(
            min(error.retry_after or 1.0, LONGEST), "the provider asked to slow down"
        ) from error


def _ended(operation: Operation) -> dict[str, Any]:
    """Return how the operation stands, or Snooze until its next step."""
    seconds = operation_wait(operation)
    if seconds is not None:
        raise Snooze(seconds, f"the outcome is unknown: {operation.error_message}"[:200])
    return {"state": operation.state, "review": operation.waits_for_a_human}
