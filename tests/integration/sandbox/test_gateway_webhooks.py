import http.client
from urllib.parse import urlsplit

import pytest
import stripe

from tests.integration.sandbox.tools import pay, wait_until


def verified(request, secret):
    """Return the event of a webhook, verified as the SDK does it; raises where it is not."""
    signature = request.headers["stripe-signature"]
    return stripe.Webhook.construct_event(request.body, signature, secret)


def settled(gateway):
    """Return the deliveries once none is pending."""
    report = wait_until(lambda: (r := gateway.control.webhooks())["pending"] == 0 and r)
    return report["deliveries"]


def test_events_arrive_signed_as_the_sdk_verifies_them(gateway, client, receiver):
    """Each event once."""
    pay(client)
    wait_until(lambda: len(receiver.received) == 3)

    events = [verified(request, gateway.webhook_secret) for request in receiver.received]

    kinds = {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}
    assert {event.type for event in events} == kinds
    assert {event.id for event in events} == {e.id for e in client.v1.events.list().data}


def test_a_delivery_that_fails_is_tried_again(gateway, client, receiver):
    """Until the receiver says 2xx."""
    receiver.status = 500
    client.v1.payment_intents.create({"amount": 5, "currency": "eur"})
    wait_until(lambda: len(receiver.received) >= 2)
    receiver.status = 200

    deliveries = settled(gateway)

    assert [delivery["status"] for delivery in deliveries][-1] == 200
    assert [delivery["attempt"] for delivery in deliveries] == list(range(1, len(deliveries) + 1))
    assert len(set(receiver.events())) == 1


def test_duplicates_are_the_same_event_again(gateway, client, receiver):
    """Each event twice, both well signed."""
    gateway.control.faults(webhook_duplicate_rate=1)
    pay(client)
    wait_until(lambda: len(receiver.received) == 6)

    events = receiver.events()

    assert len(set(events)) == 3
    assert all(events.count(event) == 2 for event in events)


@pytest.mark.parametrize("flaw", ["forge", "stale"])
def test_wrong_signatures_are_refused_by_the_sdk(gateway, client, receiver, flaw):
    """The real one follows, so that nothing is lost by refusing."""
    gateway.control.faults(**{f"webhook_{flaw}_rate": 1})
    client.v1.payment_intents.create({"amount": 5, "currency": "eur"})
    wait_until(lambda: len(receiver.received) == 2)

    def accepted(request):
        try:
            return bool(verified(request, gateway.webhook_secret))
        except stripe.SignatureVerificationError:
            return False

    assert sorted(accepted(request) for request in receiver.received) == [False, True]


def test_late_events_come_after_later_ones(gateway, client, receiver):
    """Lateness is real time, so that it reorders."""
    gateway.control.faults(webhook_late_rate=1, webhook_late_seconds=1)
    pay(client, reference="early")
    gateway.control.faults(webhook_late_rate=0)
    pay(client, reference="late")
    wait_until(lambda: len(receiver.received) == 6)

    references = [r.json()["data"]["object"]["metadata"]["reference"] for r in receiver.received]

    assert references == ["late"] * 3 + ["early"] * 3


def test_reordered_events_overtake_each_other(gateway, client, receiver):
    """About half are held a moment; all arrive."""
    gateway.control.faults(webhook_reorder_rate=0.5, webhook_reorder_seconds=0.3)
    for _ in range(10):
        pay(client)
    wait_until(lambda: len(receiver.received) == 30)

    made = [event.id for event in client.v1.events.list({"limit": 100}).data][::-1]

    assert sorted(receiver.events()) == sorted(made)
    assert receiver.events() != made


def test_events_held_back_are_released_in_the_order_wanted(gateway, client, receiver):
    """A test that needs an exact order gets it."""
    gateway.control.webhooks(hold=True)
    pay(client)
    made = [event.id for event in client.v1.events.list().data][::-1]
    assert gateway.control.webhooks()["held"] == 3

    assert gateway.control.release_webhooks("reversed") == 3

    wait_until(lambda: len(receiver.received) == 3)
    assert receiver.events() == made[::-1]


def test_an_event_is_delivered_again_on_demand(gateway, client, receiver):
    """As from Stripe's dashboard."""
    pay(client)
    wait_until(lambda: len(receiver.received) == 3)
    event = receiver.events()[0]

    gateway.control.redeliver(event)

    wait_until(lambda: receiver.events().count(event) == 2)


def test_signatures_use_the_real_clock(gateway, client, receiver):
    """A gateway a day ahead still signs for today: receivers judge age by their own clock."""
    gateway.control.advance(25 * 60 * 60)
    client.v1.payment_intents.create({"amount": 5, "currency": "eur"})
    (request,) = wait_until(lambda: receiver.received)

    event = verified(request, gateway.webhook_secret)

    assert event.created > gateway.control.now() - 60


def test_a_receiver_that_is_not_there_stops_nothing(gateway, client):
    """Payments go on; the attempts are on record with status 0."""
    probe = http.client.HTTPConnection(urlsplit(gateway.url).netloc)
    probe.connect()
    port = probe.sock.getsockname()[1]
    probe.close()
    gateway.control.webhooks(url=f"http://127.0.0.1:{port}/")

    assert pay(client).status == "succeeded"

    deliveries = wait_until(lambda: gateway.control.webhooks()["deliveries"])
    assert deliveries[0]["status"] == 0
