"""Money that goes back, and money that is not taken."""

import pytest
import stripe
from django.db import IntegrityError

from apps.payments import services
from apps.payments.errors import InvalidAmount, RefundTooLarge, WrongState
from apps.payments.models import Operation, Payment
from celeriac.core.models import Audit
from tests.factories_domain import OrderFactory, PaymentFactory, capture_of, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(gateway):
    """Return a captured payment of 2500."""
    payment = PaymentFactory()
    work()
    payment.refresh_from_db()
    return payment


def test_a_full_refund_gives_all_back_once(gateway, paid):
    """The amount is reserved at once, and given once."""
    operation = services.payment_refund(payment_id=paid.id, actor="cli", reason="broken")
    paid.refresh_from_db()
    assert (paid.refunding_amount, paid.refundable_amount) == (2500, 0)
    work()
    services.operation_resolve(operation_id=operation.id)
    paid.refresh_from_db()
    assert (paid.refunded_amount, paid.refunding_amount) == (2500, 0)
    assert gateway.stats()["refunds"] == {"count": 1, "amount": 2500}
    assert Audit.objects.get(verb="refund").details == {"amount": 2500, "currency": "eur"}


def test_partial_refunds_add_up_to_what_was_captured_and_not_more(gateway, paid):
    """The third one is too large while the second still waits."""
    services.payment_refund(payment_id=paid.id, amount=1000)
    services.payment_refund(payment_id=paid.id, amount=1000)
    with pytest.raises(RefundTooLarge):
        services.payment_refund(payment_id=paid.id, amount=501)
    services.payment_refund(payment_id=paid.id, amount=500)
    work()
    assert gateway.stats()["refunds"] == {"count": 3, "amount": 2500}
    with pytest.raises(RefundTooLarge):
        services.payment_refund(payment_id=paid.id)
    with pytest.raises(IntegrityError, match="refunds_at_most"):
        Payment.objects.filter(id=paid.id).update(refunding_amount=1)


@pytest.mark.parametrize("fault", ["drop", "error"])
def test_a_refund_whose_answer_got_lost_is_given_once(gateway, paid, fault):
    """Unknown, then found by our reference or asked again under the same key."""
    services.payment_refund(payment_id=paid.id, amount=700)
    gateway.script(fault, endpoint="refunds.create")
    work(rounds=1)
    assert Operation.objects.get(kind="refund").state == "unknown"
    work()
    paid.refresh_from_db()
    assert (paid.refunded_amount, paid.refunding_amount) == (700, 0)
    assert gateway.stats()["refunds"] == {"count": 1, "amount": 700}


def test_only_what_was_captured_is_refunded():
    """A pending payment has nothing to give; nothing is no amount."""
    payment = PaymentFactory()
    with pytest.raises(WrongState):
        services.payment_refund(payment_id=payment.id)


def test_a_refund_of_nothing_is_refused(paid):
    """Zero gives nothing back."""
    with pytest.raises(InvalidAmount):
        services.payment_refund(payment_id=paid.id, amount=0)


def test_an_order_knows_what_went_back(gateway):
    """In the transaction of the refund."""
    order = OrderFactory()
    work(rounds=1)
    services.payment_refund(payment_id=order.payment_id, amount=300)
    work(rounds=3)
    order.refresh_from_db()
    assert (order.state, order.refunded_amount) == ("paid", 300)


def test_a_payment_in_doubt_can_not_be_cancelled(gateway):
    """Its money may have moved."""
    payment = PaymentFactory()
    gateway.script("drop")
    services.payment_capture(payment_id=payment.id)
    with pytest.raises(WrongState, match="unknown"):
        services.payment_cancel(payment_id=payment.id)


def test_a_payment_that_the_provider_has_unfinished_is_cancelled_there(gateway, settings):
    """The capture follows the cancel; nothing was charged."""
    payment = PaymentFactory()
    client = stripe.StripeClient(
        settings.STRIPE_API_KEY, base_addresses={"api": settings.STRIPE_API_BASE}
    )
    intent = client.v1.payment_intents.create({"amount": 2500, "currency": "eur"})
    capture = capture_of(payment)
    Operation.objects.filter(id=capture.id).update(
        state="unknown",
        submitted_at=capture.created_at,
        called_at=capture.created_at,
        provider_id=intent.id,
    )
    Payment.objects.filter(id=payment.id).update(state="unknown")
    services.payment_cancel(payment_id=payment.id, actor="cli", reason="gave up")
    work(rounds=3)
    payment.refresh_from_db()
    assert (payment.state, payment.captured_amount) == ("cancelled", 0)
    assert client.v1.payment_intents.retrieve(intent.id).status == "canceled"
    assert gateway.charges() == []


@pytest.fixture
def in_review(gateway, settings):
    """Return an operation that waits for a human."""
    settings.PAYMENTS_LOOKUP_SETTLE_SECONDS = 0
    payment = PaymentFactory()
    gateway.script("error", when="during")
    work(rounds=20)
    return capture_of(payment)


@pytest.mark.parametrize("state", ["declined", "cancelled"])
def test_a_human_decides_what_the_ladder_could_not(in_review, state):
    """With a reason, audited; the payment follows."""
    services.operation_decide(
        operation_id=in_review.id, state=state, actor="cli", reason="not in the dashboard"
    )
    assert Payment.objects.get().state == state
    assert Audit.objects.get(verb=f"decide {state}").reason == "not in the dashboard"
    with pytest.raises(WrongState):
        services.operation_retry(operation_id=in_review.id, actor="cli")


def test_a_human_sends_it_up_the_ladder_again_under_the_same_key(gateway, in_review):
    """It was in the provider's books after all: found this time."""
    services.operation_retry(operation_id=in_review.id, actor="cli")
    work(rounds=20)
    assert capture_of(in_review.payment).waits_for_a_human
    keys = {request.key for request in gateway.requests() if request.method == "POST"}
    assert keys == {in_review.idempotency_key}
