"""Every fault that a payment provider is known for, and the charges that it leaves: STACK §10."""

import pytest
import stripe
from django.urls import reverse

from apps.payments import services
from apps.payments.models import Operation
from sandbox.gateway import WEBHOOK_SECRET
from tests.factories_domain import PaymentFactory, capture_of, work, work_until_final

pytestmark = pytest.mark.django_db(transaction=True)

DECLINED = "pm_card_chargeDeclined"


def charges_of(gateway, payment):
    """Return how many real charges the gateway made for the payment."""
    return gateway.stats()["charges"]["by_reference"].get(payment.reference, 0)


@pytest.mark.parametrize(
    ("fault", "state", "charges"),
    [
        ({"fault": "drop"}, "succeeded", 1),
        ({"fault": "delay", "seconds": 4.0, "when": "after"}, "succeeded", 1),
        ({"fault": "delay", "seconds": 4.0, "when": "before"}, "succeeded", 1),
        ({"fault": "error", "when": "before"}, "succeeded", 1),
        ({"fault": "error", "when": "after"}, "succeeded", 1),
        ({"fault": "error", "when": "during"}, "unknown", 0),
        ({"fault": "rate_limit", "seconds": 1.0}, "succeeded", 1),
        ({"fault": "decline"}, "declined", 0),
    ],
    ids=lambda value: (
        "-".join(str(part) for part in value.values()) if isinstance(value, dict) else None
    ),
)
def test_a_fault_leaves_this_many_charges(gateway, settings, fault, state, charges):
    """Once at most; none where it ends declined or with a human."""
    settings.PAYMENTS_LOOKUP_SETTLE_SECONDS = 0
    payment = PaymentFactory()
    gateway.script(**fault)
    if state == "unknown":
        work(rounds=20)
        assert capture_of(payment).waits_for_a_human
    else:
        work_until_final(payment)
    assert capture_of(payment).state == state
    assert charges_of(gateway, payment) == charges
    posts = [request.key for request in gateway.requests() if request.method == "POST"]
    assert len(set(posts)) == 1


def test_a_key_that_the_provider_has_for_something_else_charges_nobody_twice(gateway, settings):
    """Parameter mismatch: the first request's charge stands, ours waits for a human."""
    payment = PaymentFactory()
    operation = capture_of(payment)
    client = stripe.StripeClient(
        settings.STRIPE_API_KEY, base_addresses={"api": settings.STRIPE_API_BASE}
    )
    stranger = {
        "amount": 1,
        "currency": "eur",
        "confirm": True,
        "payment_method": "pm_card_visa",
        "metadata": {"reference": "someone else's"},
    }
    client.v1.payment_intents.create(stranger, {"idempotency_key": operation.idempotency_key})
    work(rounds=3)
    assert capture_of(payment).waits_for_a_human
    assert charges_of(gateway, payment) == 0
    assert gateway.stats()["charges"]["count"] == 1


def test_a_key_that_the_provider_forgot_is_not_used_again(gateway):
    """25 hours on its clock: used again, the same key would charge again."""
    payment = PaymentFactory()
    gateway.script("drop")
    services.payment_capture(payment_id=payment.id)
    gateway.advance(25 * 3600)
    Operation.objects.filter(payment=payment).update(key_spent=True)
    work(rounds=20)
    assert capture_of(payment).state == "succeeded"
    assert charges_of(gateway, payment) == 1


@pytest.mark.parametrize("order", ["as_is", "reversed", "shuffled"])
def test_webhooks_late_doubled_reordered_and_forged_charge_nobody(
    gateway, live_server, settings, order
):
    """The real sender, the real view: each event is kept once, the charges are the captures'."""
    settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    gateway.faults(
        webhook_duplicate_rate=1.0, webhook_forge_rate=1.0, webhook_stale_rate=1.0, drop_rate=0.5
    )
    gateway.webhooks(url=live_server.url + reverse("payments:stripe-webhook"), hold=True)
    payments = [PaymentFactory() for _ in range(4)] + [PaymentFactory(payment_method=DECLINED)]
    work(rounds=1)
    gateway.faults(drop_rate=0.0)
    gateway.release_webhooks(order)
    for payment in payments:
        work_until_final(payment)
    work()
    assert [charges_of(gateway, payment) for payment in payments] == [1, 1, 1, 1, 0]
    assert [capture_of(payment).state for payment in payments] == ["succeeded"] * 4 + ["declined"]
