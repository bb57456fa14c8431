import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from sandbox.common.client import ControlError
from sandbox.gateway import FaultSettings, running_gateway
from tests.integration.sandbox.tools import pay, stripe_client, wait_until

CREATE = "payment_intents.create"


def charges(gateway):
    """Return how many real charges there are."""
    return len(gateway.control.charges())


def test_a_dropped_response_has_charged_and_the_same_key_tells(gateway, client):
    """The client sees a broken connection; the money moved."""
    gateway.control.script("drop")
    with pytest.raises(stripe.APIConnectionError):
        pay(client, key="key-1")
    assert charges(gateway) == 1

    assert pay(client, key="key-1").status == "succeeded"
    assert charges(gateway) == 1


def test_a_delay_after_the_charge_outlasts_the_clients_timeout(gateway, client):
    """A timeout that has charged; the same key answers at once."""
    gateway.control.script("delay", when="after", seconds=3600)
    with (
        stripe_client(gateway.url, timeout=0.5) as hasty,
        pytest.raises(stripe.APIConnectionError),
    ):
        pay(hasty, key="key-1")
    assert charges(gateway) == 1

    assert pay(client, key="key-1").status == "succeeded"
    assert charges(gateway) == 1


def test_a_delay_before_the_charge_charges_after_the_client_has_left(gateway, client):
    """Until then a look-up finds nothing and the key is in flight: the late ghost."""
    gateway.control.script("delay", when="before", seconds=3)
    with (
        stripe_client(gateway.url, timeout=0.3) as hasty,
        pytest.raises(stripe.APIConnectionError),
    ):
        pay(hasty, key="key-1")
    with pytest.raises(stripe.APIError) as conflict:
        pay(client, key="key-1")
    assert client.v1.payment_intents.list().data == []
    assert conflict.value.http_status == 409
    assert charges(gateway) == 0

    wait_until(lambda: charges(gateway) == 1)


@pytest.mark.parametrize(("when", "charged"), [("during", 0), ("after", 1)])
def test_a_500_in_execution_is_replayed_for_ever(gateway, client, when, charged):
    """Whether it charged or not, the key only says 500; the look-up knows."""
    gateway.control.script("error", when=when)
    bodies = []
    for _ in range(3):
        with pytest.raises(stripe.APIError) as failed:
            pay(client, key="key-1", reference="order-1")
        bodies.append((failed.value.http_status, failed.value.http_body))

    assert [status for status, _ in bodies] == [500] * 3
    assert len(set(bodies)) == 1
    query = {"query": "metadata['reference']:'order-1'"}
    assert len(client.v1.payment_intents.search(query).data) == charged
    assert charges(gateway) == charged


def test_a_500_before_execution_is_not_saved(gateway, client):
    """The same key succeeds next time."""
    gateway.control.script("error", when="before")
    with pytest.raises(stripe.APIError):
        pay(client, key="key-1")
    assert charges(gateway) == 0

    assert pay(client, key="key-1").status == "succeeded"


def test_too_many_requests_say_when_to_come_back_and_are_not_saved(gateway, client):
    """RateLimitError with Retry-After; the same key succeeds next time."""
    gateway.control.script("rate_limit", seconds=7)
    with pytest.raises(stripe.RateLimitError) as limited:
        pay(client, key="key-1")
    assert limited.value.headers["Retry-After"] == "7"
    assert charges(gateway) == 0

    assert pay(client, key="key-1").status == "succeeded"


def test_a_scripted_decline_has_the_code_that_was_asked_for(gateway, client):
    """Nothing is charged."""
    gateway.control.script("decline", code="insufficient_funds")

    with pytest.raises(stripe.CardError) as declined:
        pay(client)

    assert declined.value.error.decline_code == "insufficient_funds"
    assert charges(gateway) == 0


def test_a_scripted_fault_waits_for_its_endpoint_and_its_reference(gateway, client):
    """Others pass meanwhile, and it strikes as often as it says."""
    script = gateway.control.script
    script("drop", endpoint="refunds.create")
    script("decline", reference="order-2", times=2)
    intent = pay(client, reference="order-1")

    for _ in range(2):
        with pytest.raises(stripe.CardError):
            pay(client, reference="order-2")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.refunds.create({"payment_intent": intent.id})

    assert pay(client, reference="order-2").status == "succeeded"
    assert gateway.control.scripted() == []
    assert gateway.control.stats()["refunds"]["count"] == 1


def test_reads_can_be_struck_by_script(gateway, client):
    """A look-up may fail too."""
    gateway.control.script("error", endpoint="payment_intents.list")
    with pytest.raises(stripe.APIError):
        client.v1.payment_intents.list()

    assert client.v1.payment_intents.list().data == []


def test_a_gateway_that_is_down_resets_connections_and_charges_nobody(gateway, client):
    """The calls it got meanwhile are on record, with their times."""
    pay(client)
    before = time.time()
    gateway.control.down(60)
    for _ in range(3):
        with pytest.raises(stripe.APIConnectionError):
            pay(client, key="key-1")
    gateway.control.up()

    assert pay(client, key="key-1").status == "succeeded"
    (window,) = gateway.control.outages()["windows"]
    assert len(window["calls"]) == 3
    assert all(before <= at <= window["ends"] for at in window["calls"])
    assert charges(gateway) == 2
    assert gateway.control.stats()["endpoints"]["unknown"] == {"reset": 3}


def test_a_gateway_may_be_down_with_503_for_a_while(gateway, client):
    """Not saved, and over by itself."""
    gateway.control.down(0.5, mode="unavailable")
    with pytest.raises(stripe.APIError) as refused:
        pay(client, key="key-1")
    assert refused.value.http_status == 503

    wait_until(lambda: not gateway.control.outages()["active"])
    assert pay(client, key="key-1").status == "succeeded"


def test_told_to_charge_twice_a_replay_really_charges_again(gateway, client):
    """So that an audit can be seen to fail."""
    pay(client, key="key-1")
    gateway.control.faults(charge_twice=True)

    pay(client, key="key-1")

    assert gateway.control.stats()["charges"]["by_reference"] == {"order-1": 2}
    assert len(client.v1.payment_intents.list().data) == 1


def test_told_to_charge_twice_a_retry_with_a_new_key_charges_again(gateway, client):
    """Where a correct gateway only refuses the second confirmation."""
    intent = pay(client)
    for twice, expected in ((False, 1), (True, 2)):
        gateway.control.faults(charge_twice=twice)
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
        assert charges(gateway) == expected


def test_a_charge_may_be_doubled_by_rate(gateway, client):
    """Without any retry."""
    gateway.control.faults(double_charge_rate=1)

    intent = pay(client)

    assert gateway.control.stats()["charges"]["by_payment_intent"] == {intent.id: 2}


def outcomes(seed):
    """Return what 60 payments met, under these rates and this seed."""
    settings = FaultSettings(
        seed=seed, drop_rate=0.2, error_rate=0.2, decline_rate=0.2, rate_limit_rate=0.1
    )
    with running_gateway(settings=settings) as gateway, stripe_client(gateway.url) as client:
        for number in range(60):
            try:
                pay(client, key=f"key-{number}")
            except stripe.StripeError:
                continue
        return [request.fault for request in gateway.control.requests()]


def test_the_same_seed_strikes_the_same_requests():
    """And another seed others; every kind of fault strikes at such rates."""
    first = outcomes(seed=1)

    assert outcomes(seed=1) == first
    assert outcomes(seed=2) != first
    assert set(first) == {"", "drop", "error", "decline", "rate_limit"}


def test_faults_by_rate_do_not_strike_replays(gateway, client):
    """Every dropped payment is known at the second try."""
    gateway.control.faults(drop_rate=1)
    for number in range(5):
        with pytest.raises(stripe.APIConnectionError):
            pay(client, key=f"key-{number}")
        assert pay(client, key=f"key-{number}").status == "succeeded"
    assert charges(gateway) == 5


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"dropp_rate": 1}, "Did you mean 'drop_rate'"),
        ({"drop_rate": 2}, "between 0 and 1"),
        ({"drop_rate": "often"}, "must be of type float"),
        ({"error_when": "never"}, "error_when is one of"),
        ({"drop_rate": 0.6, "error_rate": 0.6}, "add up to more than 1"),
        ({"charge_twice": "maybe"}, "true or false"),
    ],
)
def test_settings_that_make_no_sense_are_refused_and_change_nothing(gateway, changes, complaint):
    """With the field named."""
    before = gateway.control.faults()

    with pytest.raises(ControlError, match=complaint):
        gateway.control.faults(**changes)

    assert gateway.control.faults() == before


def test_concurrency_is_on_record(gateway):
    """Eight slow payments at once peak at eight; the log has their spans."""
    gateway.control.faults(latency_seconds=0.3)

    def attempt(number):
        with stripe_client(gateway.url) as client:
            return pay(client, reference=f"order-{number}").id

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(attempt, range(8)))

    assert gateway.control.stats()["in_flight"] == {"now": 0, "peak": 8}
    log = gateway.control.requests()
    assert {request.reference for request in log} == {f"order-{n}" for n in range(8)}
    assert all(request.finished - request.at >= 0.3 for request in log)
    assert gateway.control.requests(after=log[-1].number) == []


def test_reset_forgets_everything(gateway, client):
    """Charges, keys, faults, script, outage, clock and counts."""
    pay(client, key="key-1", amount=100)
    gateway.control.faults(drop_rate=1)
    gateway.control.script("drop")
    gateway.control.down(60)
    gateway.control.advance(3600)

    gateway.control.reset()

    assert pay(client, key="key-1", amount=200).status == "succeeded"
    assert charges(gateway) == 1
    assert gateway.control.stats()["endpoints"] == {CREATE: {"200": 1}}
    assert abs(gateway.control.now() - time.time()) < 60
