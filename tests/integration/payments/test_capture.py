"""A payment is captured once, whatever the gateway does. Real HTTP, real PostgreSQL."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from apps.payments import services
from apps.payments.errors import GatewayRateLimited, ParametersChanged
from apps.payments.gateways.calls import call_gateway
from apps.payments.gateways.stripe import StripeGateway
from apps.payments.models import Operation, PaymentEvent
from celeriac.breakers.api import CircuitOpen
from celeriac.core.effects import CallInTransaction
from celeriac.settings import conf
from celeriac.testing import perform_job
from tasks import payments as tasks
from tests.factories_domain import PaymentFactory, age, capture_of, work, work_until_final

pytestmark = pytest.mark.django_db(transaction=True)


def charges_of(gateway, payment):
    """Return how many real charges the gateway made for the payment."""
    return gateway.stats()["charges"]["by_reference"].get(payment.reference, 0)


def test_a_payment_is_captured(gateway):
    """Amounts, ids and times are in the row, the history in its events."""
    payment = PaymentFactory()
    work()
    payment.refresh_from_db()
    assert (payment.state, payment.captured_amount) == ("succeeded", 2500)
    assert payment.provider_id == gateway.charges()[0].payment_intent
    assert charges_of(gateway, payment) == 1
    names = list(payment.events.values_list("name", flat=True))
    assert names == ["capture.created", "capture.submitted", "capture.succeeded"]


def test_running_it_again_after_success_calls_nobody(gateway):
    """The handler is idempotent: the row decides."""
    payment = PaymentFactory()
    work()
    before = gateway.stats()["requests"]
    assert services.payment_capture(payment_id=payment.id).state == "succeeded"
    assert gateway.stats()["requests"] == before


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "drop"},
        {"fault": "error", "when": "before"},
        {"fault": "error", "when": "after"},
        {"fault": "delay", "seconds": 4.0, "when": "after"},
        {"fault": "delay", "seconds": 4.0, "when": "before"},
    ],
    ids=lambda fault: "-".join([fault["fault"], fault.get("when", "")]).strip("-"),
)
def test_a_lost_answer_leaves_it_unknown_and_never_charges_twice(gateway, fault):
    """Timeout, reset and 5xx: unknown first, then one charge and success."""
    payment = PaymentFactory()
    gateway.script(**fault)
    assert services.payment_capture(payment_id=payment.id).state == "unknown"
    payment.refresh_from_db()
    assert payment.state == "unknown"
    work_until_final(payment)
    assert capture_of(payment).state == "succeeded"
    assert charges_of(gateway, payment) == 1
    assert len({request.key for request in gateway.requests() if request.method == "POST"}) == 1


def test_a_saved_failure_is_looked_up_not_asked_again_forever(gateway):
    """The provider replays its 500 under the key: the charge is found by our reference."""
    payment = PaymentFactory()
    gateway.script("error", when="after")
    work()
    assert capture_of(payment).key_spent
    assert capture_of(payment).state == "succeeded"
    assert [r.endpoint for r in gateway.requests() if r.method == "GET"]
    assert charges_of(gateway, payment) == 1


def test_a_saved_failure_without_effect_ends_with_a_human(gateway, settings):
    """No key is minted anew: nothing is charged, and the evidence waits."""
    settings.PAYMENTS_LOOKUP_SETTLE_SECONDS = 0
    payment = PaymentFactory()
    gateway.script("error", when="during")
    work(rounds=20)
    operation = capture_of(payment)
    assert (operation.state, operation.waits_for_a_human) == ("unknown", True)
    assert operation.lookups == settings.PAYMENTS_MAX_LOOKUPS
    assert charges_of(gateway, payment) == 0
    assert len({request.key for request in gateway.requests() if request.method == "POST"}) == 1


@pytest.mark.parametrize("currency", ["isk", "mga", "ugx"])
def test_what_the_provider_counts_otherwise_is_never_charged(gateway, currency):
    """Its minor unit is not ISO's: the wrong amount would be taken."""
    payment = PaymentFactory(currency=currency)
    work()
    operation = capture_of(payment)
    assert (operation.state, charges_of(gateway, payment)) == ("declined", 0)
    assert "in other units than ISO 4217" in operation.error_message


def test_a_decline_is_an_answer(gateway):
    """402: declined at the first go, with the issuer's code."""
    payment = PaymentFactory(payment_method="pm_card_chargeDeclinedInsufficientFunds")
    work()
    operation = capture_of(payment)
    assert (operation.state, operation.error_code) == ("declined", "insufficient_funds")
    assert operation.payment.state == "declined"
    assert charges_of(gateway, payment) == 0


def test_a_rate_limit_is_nobodys_failure(gateway):
    """429 with Retry-After: not executed, the job snoozes, nothing is counted."""
    payment = PaymentFactory()
    gateway.script("rate_limit", seconds=3)
    with pytest.raises(GatewayRateLimited) as caught:
        services.payment_capture(payment_id=payment.id)
    assert caught.value.retry_after == 3
    assert capture_of(payment).state == "submitted"


def test_a_key_in_flight_waits_for_the_first_request(gateway):
    """409: a retry while the first request still runs leaves it unknown, and one charge."""
    payment = PaymentFactory()
    gateway.faults(latency_seconds=3.0)
    assert services.payment_capture(payment_id=payment.id).state == "unknown"
    assert services.payment_capture(payment_id=payment.id).state == "unknown"
    assert "409" in gateway.stats()["endpoints"]["payment_intents.create"]
    gateway.faults(latency_seconds=0.0)
    work_until_final(payment)
    assert capture_of(payment).state == "succeeded"
    assert charges_of(gateway, payment) == 1


@pytest.mark.parametrize("mode", ["reset", "unavailable"])
def test_an_outage_costs_time_only(gateway, mode):
    """Down, then up again: one charge."""
    payment = PaymentFactory()
    gateway.down(mode=mode)
    work(rounds=2)
    gateway.up()
    work(rounds=20)
    assert capture_of(payment).state == "succeeded"
    assert charges_of(gateway, payment) == 1


def test_a_gateway_that_refuses_connections_was_sent_nothing(gateway, settings):
    """Nothing listens there: the payment stays submitted, not unknown."""
    url, settings.STRIPE_API_BASE = settings.STRIPE_API_BASE, "http://127.0.0.1:9"
    payment = PaymentFactory()
    work(rounds=1)
    assert capture_of(payment).state == "submitted"
    settings.STRIPE_API_BASE = url
    work()
    assert capture_of(payment).state == "succeeded"


def test_an_open_circuit_parks_the_job_without_a_failure(gateway, settings):
    """Nothing is sent, the job is queued again, and its failures stay as they are."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {**conf.BREAKERS, "payments": {"min_volume": 1, "cooldown": 60.0}},
    }
    first, second = PaymentFactory(), PaymentFactory()
    gateway.down()
    services.payment_capture(payment_id=first.id)
    calls = gateway.stats()["requests"]
    with pytest.raises(CircuitOpen):
        tasks.capture(payment_id=second.id)
    assert gateway.stats()["requests"] == calls
    assert capture_of(second).state == "submitted"


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_between_submit_and_answer_charges_once(gateway, monkeypatch, moment):
    """The next run finds it submitted and asks under the same key."""
    payment = PaymentFactory()
    perform = StripeGateway.perform

    def killed(self, *args):
        if moment == "after":
            perform(self, *args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(StripeGateway, "perform", killed)
        with pytest.raises(Killed):
            services.payment_capture(payment_id=payment.id)
    assert capture_of(payment).state == "submitted"
    assert services.payment_capture(payment_id=payment.id).state == "succeeded"
    assert charges_of(gateway, payment) == 1
    assert len({request.key for request in gateway.requests()}) == 1


def test_an_expired_key_is_never_used_again(gateway):
    """After 23 hours it is looked up, although the provider would still answer."""
    payment = PaymentFactory()
    gateway.script("drop")
    services.payment_capture(payment_id=payment.id)
    age(payment, timedelta(hours=23, minutes=1))
    gateway.advance(25 * 3600)
    posts = sum(request.method == "POST" for request in gateway.requests())
    work(rounds=20)
    assert capture_of(payment).state == "succeeded"
    assert sum(request.method == "POST" for request in gateway.requests()) == posts
    assert charges_of(gateway, payment) == 1


def test_a_look_up_that_lags_is_repeated(gateway, settings):
    """Not found yet is not not charged."""
    settings.PAYMENTS_LOOKUP_SETTLE_SECONDS = 120
    payment = PaymentFactory()
    gateway.faults(search_lag_seconds=60)
    gateway.script("error", when="after")
    work(rounds=8)
    assert capture_of(payment).state == "unknown"
    assert not capture_of(payment).waits_for_a_human
    gateway.advance(120)
    work(rounds=3)
    assert capture_of(payment).state == "succeeded"
    assert charges_of(gateway, payment) == 1


def test_changed_parameters_are_refused_before_the_call(gateway):
    """The hash was committed with the key; another amount under it never leaves."""
    payment = PaymentFactory()
    operation = capture_of(payment)
    Operation.objects.filter(id=operation.id).update(params={**operation.params, "amount": 1})
    with pytest.raises(ParametersChanged):
        services.payment_capture(payment_id=payment.id)
    assert gateway.stats()["requests"] == 0


@pytest.mark.django_db(transaction=False)
def test_a_capture_can_be_performed_inside_a_test_transaction(gateway):
    """The transaction that a test case wraps around its test does not count as one."""
    payment = PaymentFactory()
    assert perform_job("payments.capture", payment_id=payment.id)["state"] == "succeeded"


def test_no_call_leaves_inside_a_transaction(gateway):
    """A durable submit refuses it, and so does the wrapper itself."""
    payment = PaymentFactory()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        services.payment_capture(payment_id=payment.id)
    with pytest.raises(CallInTransaction), transaction.atomic():
        call_gateway(lambda: None)
    assert gateway.stats()["requests"] == 0


def test_a_bad_api_key_charges_nobody_and_asks_no_human(gateway, settings):
    """401 is ours to mend; the job fails and comes back."""
    payment = PaymentFactory()
    settings.STRIPE_API_KEY = "nonsense"
    work(rounds=1)
    assert (capture_of(payment).state, capture_of(payment).review_at) == ("submitted", None)
    settings.STRIPE_API_KEY = "sk_test_sandbox"
    work()
    assert capture_of(payment).state == "succeeded"


def test_a_rejected_request_waits_for_a_human(gateway):
    """400: nothing was executed, and no retry can help."""
    payment = PaymentFactory(payment_method="not-a-card")
    work(rounds=3)
    operation = capture_of(payment)
    assert operation.waits_for_a_human
    assert "rejected" in operation.review_reason
    assert charges_of(gateway, payment) == 0


def test_events_can_be_neither_changed_nor_deleted(gateway):
    """A trigger says so, whoever asks."""
    event = PaymentFactory().events.first()
    with pytest.raises(IntegrityError, match="append-only"):
        PaymentEvent.objects.filter(id=event.id).update(name="other")
    with pytest.raises(IntegrityError, match="append-only"):
        PaymentEvent.objects.filter(id=event.id).delete()
