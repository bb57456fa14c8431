import pytest
import stripe

from tests.integration.sandbox.tools import pay, stripe_client


def test_a_payment_created_and_confirmed_at_once_is_one_real_charge(gateway, client):
    """The control API tells the same story as the SDK."""
    intent = pay(client, amount=1999, reference="order-7")

    assert intent.status == "succeeded"
    (charge,) = gateway.control.charges()
    assert (charge.id, charge.payment_intent) == (intent.latest_charge, intent.id)
    assert (charge.amount, charge.currency, charge.reference) == (1999, "eur", "order-7")


def test_a_payment_is_created_first_and_confirmed_later(gateway, client):
    """An intent alone charges nobody."""
    intent = client.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    assert (intent.status, gateway.control.charges()) == ("requires_payment_method", [])

    done = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert done.status == "succeeded"
    assert gateway.control.stats()["charges"]["by_payment_intent"] == {intent.id: 1}


def test_manual_capture_authorises_first_and_takes_part_of_it(gateway, client):
    """Only what was captured counts as charged."""
    intent = pay(client, amount=1000, capture_method="manual")
    assert intent.status == "requires_capture"
    assert gateway.control.stats()["charges"]["count"] == 0

    done = client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 600})

    assert (done.status, done.amount_received) == ("succeeded", 600)
    assert [charge.amount for charge in gateway.control.charges()] == [600]


def test_an_authorisation_that_is_cancelled_takes_no_money(gateway, client):
    """A cancelled intent can't be captured."""
    intent = pay(client, capture_method="manual")

    client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})

    assert client.v1.payment_intents.retrieve(intent.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.capture(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert not any(charge.captured for charge in gateway.control.charges())


def test_refunds_add_up_to_what_was_captured_and_no_more(gateway, client):
    """In part, then the rest, then nothing is left."""
    intent = pay(client, amount=1000)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 700})

    rest = client.v1.refunds.create({"charge": intent.latest_charge})

    assert (rest.amount, rest.status) == (600, "succeeded")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"
    assert gateway.control.stats()["refunds"] == {"count": 2, "amount": 1000}
    assert client.v1.refunds.retrieve(rest.id).amount == 600


def test_the_balance_is_what_was_captured_less_what_was_refunded(client):
    """By currency."""
    intent = pay(client, amount=1000)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 300})

    (available,) = client.v1.balance.retrieve().available

    assert (available.amount, available.currency) == (700, "eur")


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ],
)
def test_test_cards_are_declined_as_stripe_declines_them(gateway, client, card, code, decline_code):
    """A decline is a CardError with its intent, and no real charge."""
    with pytest.raises(stripe.CardError) as declined:
        pay(client, card=card)

    error = declined.value
    assert (error.http_status, error.code) == (402, code)
    assert error.error.decline_code == decline_code
    intent = client.v1.payment_intents.retrieve(error.error.payment_intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.decline_code == decline_code
    assert gateway.control.charges() == []


def test_another_card_may_pay_after_a_decline(gateway, client):
    """The declined attempt stays in the list of charges as failed."""
    with pytest.raises(stripe.CardError) as declined:
        pay(client, card="pm_card_chargeDeclined")
    intent_id = declined.value.error.payment_intent.id

    client.v1.payment_intents.confirm(intent_id, {"payment_method": "pm_card_visa"})

    charges = client.v1.charges.list({"payment_intent": intent_id})
    assert [charge.status for charge in charges.data] == ["succeeded", "failed"]
    assert len(gateway.control.charges()) == 1


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"currency": "eur"}, "amount", "parameter_missing"),
        ({"amount": 0, "currency": "eur"}, "amount", "parameter_invalid_integer"),
        ({"amount": 5}, "currency", "parameter_missing"),
        ({"amount": 5, "currency": "euro"}, "currency", None),
        ({"amount": 5, "currency": "eur", "colour": "red"}, "colour", "parameter_unknown"),
        (
            {"amount": 5, "currency": "eur", "payment_method": "visa"},
            "payment_method",
            "resource_missing",
        ),
        ({"amount": 5, "currency": "eur", "expand": ["moon"]}, "expand", None),
        ({"amount": 5, "currency": "eur", "metadata": {"a": "x" * 501}}, "metadata[a]", None),
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(client, params, param, code):
    """As InvalidRequestError, and nothing is made."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(params)

    assert (refused.value.param, refused.value.code) == (param, code)
    assert client.v1.payment_intents.list().data == []


def test_what_does_not_exist_is_not_found(client):
    """404 with resource_missing."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.retrieve("pi_nothing")

    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_an_endpoint_that_is_not_imitated_says_so(client):
    """Rather than pretending."""
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        client.v1.customers.create({"name": "Ada"})


@pytest.mark.parametrize("key", ["sk_live_never", "nonsense"])
def test_a_key_that_is_not_a_test_key_is_refused(gateway, key):
    """No live key ever works on a stand-in."""
    with (
        stripe_client(gateway.url, key=key) as client,
        pytest.raises(stripe.AuthenticationError) as refused,
    ):
        pay(client)

    assert refused.value.http_status == 401


def test_expansion_returns_objects_in_the_place_of_ids(client):
    """On one object and in lists."""
    pay(client, amount=77)

    (intent,) = client.v1.payment_intents.list({"expand": ["data.latest_charge"]}).data

    assert intent.latest_charge.amount == 77
