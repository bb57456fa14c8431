from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import stripe

from tests.integration.sandbox.tools import pay, stripe_client, wait_until

A_DAY = 24 * 60 * 60


def test_the_same_key_and_parameters_replay_the_first_answer(gateway, client):
    """Byte for byte, marked as a replay, and charged once."""
    first = pay(client, key="key-1")
    again = pay(client, key="key-1")

    assert again.id == first.id
    assert again.last_response.body == first.last_response.body
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert len(gateway.control.charges()) == 1


def test_fifty_parallel_requests_with_one_key_charge_once(gateway):
    """Each of the others is a replay or is told that the key is in use."""
    gateway.control.faults(latency_seconds=0.05)
    together = Barrier(50)

    def attempt(_):
        with stripe_client(gateway.url) as client:
            together.wait(20)
            try:
                return pay(client, key="one-key").id
            except stripe.APIError as error:
                return error.http_status

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(attempt, range(50)))

    assert len(gateway.control.charges()) == 1
    (charge,) = gateway.control.charges()
    assert set(answers) <= {charge.payment_intent, 409}
    assert charge.payment_intent in answers


def test_a_key_in_flight_is_a_conflict_that_is_not_saved(gateway, client):
    """409 idempotency_key_in_use; the same key answers once the first request is done."""
    gateway.control.script("delay", when="before", seconds=1.5)
    with ThreadPoolExecutor(1) as pool, stripe_client(gateway.url) as other:
        slow = pool.submit(pay, other, key="key-1")
        wait_until(lambda: gateway.control.stats()["in_flight"]["now"] == 1)
        with pytest.raises(stripe.APIError) as conflict:
            pay(client, key="key-1")
        first = slow.result()

    assert conflict.value.http_status == 409
    assert conflict.value.json_body["error"]["code"] == "idempotency_key_in_use"
    assert pay(client, key="key-1").id == first.id
    assert len(gateway.control.charges()) == 1


def test_other_parameters_under_the_same_key_are_an_error(gateway, client):
    """IdempotencyError, and the first answer stays."""
    first = pay(client, key="key-1", amount=100)

    with pytest.raises(stripe.IdempotencyError) as mismatch:
        pay(client, key="key-1", amount=200)

    assert mismatch.value.http_status == 400
    assert pay(client, key="key-1", amount=100).id == first.id


def test_another_endpoint_under_the_same_key_is_an_error(client):
    """IdempotencyError names both endpoints."""
    intent = pay(client, key="key-1")

    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "key-1"})


def test_a_key_used_again_after_a_day_makes_a_new_request(gateway, client):
    """By the gateway's own clock: it still holds a moment before."""
    first = pay(client, key="key-1")
    gateway.control.advance(A_DAY - 60)
    assert pay(client, key="key-1").id == first.id

    gateway.control.advance(61)

    assert pay(client, key="key-1").id != first.id
    assert gateway.control.stats()["charges"]["by_reference"] == {"order-1": 2}


def test_a_validation_failure_is_not_saved(client):
    """The key is free for the corrected request."""
    with pytest.raises(stripe.InvalidRequestError):
        pay(client, key="key-1", amount=0)

    assert pay(client, key="key-1", amount=100).status == "succeeded"


def test_an_unknown_object_is_not_saved(client):
    """It fails before execution begins."""
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.confirm("pi_nothing", {}, {"idempotency_key": "key-1"})

    assert pay(client, key="key-1").status == "succeeded"


def test_a_decline_is_saved(gateway, client):
    """The same key declines again, without asking the issuer again."""
    codes = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            pay(client, key="key-1", card="pm_card_chargeDeclined")
        codes.append(declined.value.error.payment_intent.id)

    assert codes[0] == codes[1]
    assert len(client.v1.charges.list().data) == 1
    assert gateway.control.stats()["replays"] == 1


def test_a_refusal_by_state_is_saved(client):
    """Execution had begun: the same key answers the same although the state moved on."""
    intent = pay(client, capture_method="manual")
    refund = {"payment_intent": intent.id}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create(refund, {"idempotency_key": "key-1"})
    client.v1.payment_intents.capture(intent.id)

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create(refund, {"idempotency_key": "key-1"})

    assert client.v1.refunds.create(refund, {"idempotency_key": "key-2"}).status == "succeeded"


def test_a_key_longer_than_255_characters_is_refused(gateway, client):
    """And 255 are fine."""
    with pytest.raises(stripe.InvalidRequestError):
        pay(client, key="k" * 256)

    assert pay(client, key="k" * 255).status == "succeeded"
    assert len(gateway.control.charges()) == 1


def test_reads_take_no_notice_of_keys(client):
    """A GET under a key that was used is no replay."""
    intent = pay(client, key="key-1")

    seen = client.v1.payment_intents.retrieve(intent.id, {}, {"idempotency_key": "key-1"})

    assert seen.id == intent.id
    assert "Idempotent-Replayed" not in seen.last_response.headers
