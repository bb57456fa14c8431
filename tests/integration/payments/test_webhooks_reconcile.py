"""What the provider tells, and what its books say."""

import json
import time
from datetime import timedelta

import pytest
import stripe
from django.urls import reverse

from apps.payments import services
from apps.payments.models import Difference, Payment, WebhookEvent
from celeriac.core.clock import db_now
from celeriac.jobs.models import Job
from sandbox.gateway import WEBHOOK_SECRET
from tests.factories_domain import PaymentFactory, age, capture_of, work

pytestmark = pytest.mark.django_db(transaction=True)


def event_about(intent_id, *, name="payment_intent.succeeded", event_id="evt_1"):
    """Return the body of an event."""
    about = {"id": intent_id, "object": "payment_intent"}
    return json.dumps({"id": event_id, "object": "event", "type": name, "data": {"object": about}})


def post(client, body, *, secret=WEBHOOK_SECRET, at=None):
    """Deliver a signed event."""
    signature = stripe.WebhookSignature.generate_signature_header(body, secret, at)
    return client.post(
        reverse("payments:stripe-webhook"),
        body,
        content_type="application/json",
        headers={"Stripe-Signature": signature},
    )


@pytest.fixture
def unknown(gateway):
    """Return a payment that was charged and whose answer got lost, without jobs."""
    payment = PaymentFactory()
    gateway.script("drop")
    services.payment_capture(payment_id=payment.id)
    Job.objects.all().delete()
    return payment


def reconcile():
    """Compare the books of the last hours."""
    now = db_now()
    return services.payments_reconcile(
        since=now - timedelta(hours=2), until=now + timedelta(minutes=1)
    )


@pytest.mark.parametrize("signature", ["t=1,v1=\xe9", "t=1,v1=\xff,v1=a", "v1", "t=\xb2,v1=a"])
def test_a_signature_of_odd_letters_is_a_wrong_one(client, signature):
    """400, as for any other; a 500 would wake somebody for what anybody can send."""
    headers = {"Stripe-Signature": signature}
    answer = client.post(
        reverse("payments:stripe-webhook"), b"{}", "application/json", headers=headers
    )
    assert answer.status_code == 400
    assert not WebhookEvent.objects.exists()


DEEP = '{"id": "evt_1", "data": ' + '{"object": ' * 3000 + "{}" + "}" * 3001
SHAPES = [
    ("[" * 3000 + "]" * 3000, "nested too deeply"),
    (DEEP, "nested too deeply"),
    ("[" * 100_000, "nested too deeply"),
    ("[]", "no JSON object"),
    ("{", "no JSON"),
    ('"x"', "no JSON object"),
]


def test_a_signed_body_of_another_shape_is_a_400_in_our_own_words(client, gateway):
    """Whoever holds the secret may err; that wakes nobody, and is no 500 to be sent again."""
    for body, said in SHAPES:
        answer = post(client, body)
        assert (answer.status_code, said in answer.json()["detail"]) == (400, True), body[:40]
    assert not WebhookEvent.objects.exists()


def test_an_event_from_the_future_is_refused(client, gateway):
    """It could be sent again for as long as it is ahead; clocks may differ by minutes."""
    body = json.dumps({"id": "evt_1", "object": "event", "type": "x", "data": None})
    for ahead, status in ((4000, 400), (10**12, 400), (200, 200)):
        assert post(client, body, at=int(time.time()) + ahead).status_code == status


def test_an_event_about_nothing_is_kept(client, gateway):
    """It is signed, and tells nothing."""
    body = json.dumps({"id": "evt_1", "object": "event", "type": "x", "data": None})
    assert post(client, body).status_code == 200


def test_an_event_settles_an_unknown_payment(client, gateway, unknown):
    """It names the intent; what counts is fetched."""
    response = post(client, event_about(gateway.charges()[0].payment_intent))
    assert (response.status_code, response.json()["known"]) == (200, False)
    work()
    assert capture_of(unknown).state == "succeeded"
    assert WebhookEvent.objects.get().result == "succeeded"


def test_the_same_event_twice_is_one_row_and_one_job(client, gateway, unknown):
    """Both get 200."""
    body = event_about(gateway.charges()[0].payment_intent)
    assert post(client, body).status_code == 200
    again = post(client, body)
    assert (again.status_code, again.json()["known"]) == (200, True)
    assert (WebhookEvent.objects.count(), Job.objects.count()) == (1, 1)


def test_events_in_the_wrong_order_change_nothing(client, gateway, unknown):
    """A late failure of an intent that succeeded since: the fetched state wins."""
    intent = gateway.charges()[0].payment_intent
    post(client, event_about(intent, event_id="evt_2"))
    work()
    post(client, event_about(intent, name="payment_intent.payment_failed"))
    work()
    assert capture_of(unknown).state == "succeeded"
    assert not unknown.events.filter(name="capture.contradiction").exists()


@pytest.mark.parametrize(
    "forged",
    [
        {"secret": "whsec_other"},
        {"at": 1},
    ],
    ids=["wrong secret", "too old"],
)
def test_an_event_with_a_wrong_or_old_signature_is_refused(client, gateway, forged):
    """400, and nothing is written."""
    assert post(client, event_about("pi_1"), **forged).status_code == 400
    assert not WebhookEvent.objects.exists()


def test_the_signature_is_over_the_raw_bytes(client, gateway):
    """A body that means the same but reads otherwise is refused."""
    body = event_about("pi_1")
    signature = stripe.WebhookSignature.generate_signature_header(
        body, WEBHOOK_SECRET, int(time.time())
    )
    response = client.post(
        reverse("payments:stripe-webhook"),
        body.replace(": ", ":"),
        content_type="application/json",
        headers={"Stripe-Signature": signature},
    )
    assert response.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        *("[]", "nonsense", '{"object": "event"}', "{}"),
        *('{"id": "evt_1", "data": [1]}', '{"id": "evt_1", "data": {"object": "x"}}'),
        *('{"id": "evt_1", "type": null}', '{"id": "evt_1", "type": ["x"]}'),
        *('{"id": "evt_1", "note": "\\u0000"}', '{"id": "evt_\\u0000"}', '{"id": "evt_\\ud800"}'),
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(client, gateway, body):
    """400, not 500: nor one that PostgreSQL can't hold."""
    assert post(client, body).status_code == 400
    assert not WebhookEvent.objects.exists()


def test_an_event_about_a_stranger_is_kept_and_left_alone(client, gateway):
    """An intent that is not ours, or gone."""
    post(client, event_about("pi_unheard_of"))
    work()
    assert WebhookEvent.objects.get().result == "unknown there"


def test_balanced_books_differ_in_nothing(gateway):
    """Paid, declined and refunded alike."""
    paid, _ = PaymentFactory(), PaymentFactory(payment_method="pm_card_chargeDeclined")
    work()
    services.payment_refund(payment_id=paid.id, amount=100)
    work()
    assert reconcile() == 0
    assert not Difference.objects.exists()


def test_reconciling_settles_what_was_unknown(gateway, unknown):
    """The provider's list knows."""
    assert reconcile() == 0
    assert capture_of(unknown).state == "succeeded"


def test_a_charge_that_we_do_not_know_is_filed_once_until_it_is_closed(gateway):
    """Its payment vanished here."""
    payment = PaymentFactory()
    work()
    Payment.objects.filter(id=payment.id).update(reference="other", provider_id="")
    assert reconcile() == 2  # theirs is missing here, ours (without an id) there
    assert reconcile() == 2
    assert sorted(Difference.objects.values_list("kind", flat=True)) == [
        "missing_here",
        "missing_there",
    ]
    difference = Difference.objects.get(kind="missing_here")
    services.difference_close(difference_id=difference.id, actor="cli", reason="test data")
    reconcile()
    assert Difference.objects.filter(kind="missing_here").count() == 2


def test_a_double_charge_is_found(gateway):
    """Two paid charges under one intent."""
    gateway.faults(double_charge_rate=1.0)
    payment = PaymentFactory()
    work()
    assert reconcile() == 1
    assert Difference.objects.get().kind == "charged_twice"
    assert Difference.objects.get().payment_id == payment.id


def test_a_refund_made_elsewhere_is_found(gateway, settings):
    """In the provider's dashboard, say."""
    payment = PaymentFactory()
    work()
    client = stripe.StripeClient(
        settings.STRIPE_API_KEY, base_addresses={"api": settings.STRIPE_API_BASE}
    )
    client.v1.refunds.create({"payment_intent": gateway.charges()[0].payment_intent, "amount": 1})
    assert reconcile() == 1
    assert Difference.objects.get(payment=payment).kind == "refunded"


def test_books_of_several_pages_are_read_to_the_end(gateway, monkeypatch):
    """Three pages."""
    monkeypatch.setattr("apps.payments.gateways.stripe.PAGE", 2)
    payments = [PaymentFactory() for _ in range(5)]
    work()
    Payment.objects.filter(id=payments[0].id).update(refunded_amount=1)
    assert reconcile() == 1
    assert gateway.stats()["endpoints"]["charges.list"]["200"] == 3


def test_the_sweep_picks_up_what_stands_still(gateway, unknown):
    """Its job is gone; half an hour later another one is made, once."""
    assert services.payments_sweep() == 0
    age(unknown, timedelta(hours=1))
    assert services.payments_sweep() == 1
    services.payments_sweep()
    assert Job.objects.filter(kind="payments.resolve").count() == 1
    work()
    assert capture_of(unknown).state == "succeeded"
