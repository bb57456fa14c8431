"""A stand-in's reset: everything is as at the start, and nothing of before comes later."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.gateway import FaultSettings as GatewayFaults, GatewayOptions, running_gateway
from sandbox.mailsink import FaultSettings as MailFaults, running_mailsink
from tests.integration.sandbox.test_mailsink import mail, send
from tests.integration.sandbox.tools import DEADLINE, pay, stripe_client, wait_until
from tests.support.providers import gateway_state, mailsink_state


@pytest.fixture
def held(receiver):
    """Return the receiver, which answers no delivery before its `go` is set."""
    receiver.go = threading.Event()
    answer = receiver._answer

    def wait(request):
        receiver.go.wait(DEADLINE)
        return answer(request)

    receiver._server._handler = wait
    yield receiver
    receiver.go.set()


@pytest.fixture
def aside():
    """Return a function that calls another in a thread and returns its future."""
    with ThreadPoolExecutor(2) as pool:
        yield pool.submit


def test_a_gateway_is_as_at_its_start():
    """Its options and faults of the start included, which are not the defaults here."""
    options = GatewayOptions(webhook_url="http://127.0.0.1:9/", webhook_secret="whsec_first")
    with (
        running_gateway(options, GatewayFaults(seed=7, webhook_late_seconds=9)) as gateway,
        stripe_client(gateway.url) as client,
    ):
        control = gateway.control
        start = gateway_state(control)
        control.faults(webhook_late_rate=1, search_lag_seconds=5, seed=3)
        control.script("drop", times=2, endpoint="refunds.create")
        control.webhooks(url="http://127.0.0.1:9/other", secret="whsec_other", hold=True)
        control.advance(3600)
        pay(client, key="one")
        control.down(seconds=60)
        assert gateway_state(control).keys() == start.keys()
        assert all(gateway_state(control)[part] != start[part] for part in start)

        control.reset()

        assert gateway_state(control) == start
        assert pay(client, key="one", amount=5).amount == 5


def test_a_reset_waits_for_the_delivery_under_way(gateway, client, held, aside):
    """Its receiver writes what the next test would count."""
    client.v1.payment_intents.create({"amount": 5, "currency": "eur"})
    wait_until(lambda: gateway.control.webhooks()["pending"] == 1)

    reset = aside(gateway.control.reset)
    with pytest.raises(TimeoutError):
        reset.result(0.3)
    held.go.set()
    reset.result(DEADLINE)

    assert len(held.received) == 1
    assert gateway.control.webhooks()["deliveries"] == []


def test_a_reset_cuts_a_delivery_that_nobody_takes(gateway, client, held):
    """And it is not tried again."""
    client.v1.payment_intents.create({"amount": 5, "currency": "eur"})
    wait_until(lambda: gateway.control.webhooks()["pending"] == 1)

    gateway.control.reset()

    report = gateway.control.webhooks()
    assert (report["pending"], report["deliveries"], report["url"]) == (0, [], "")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reset_hurries_the_request_under_way_and_forgets_it(gateway, client, aside, when):
    """No charge of before lands in the books of afterwards."""
    gateway.control.script("delay", seconds=DEADLINE * 5, when=when)
    paying = aside(pay, client)
    wait_until(lambda: gateway.control.stats()["in_flight"]["now"] == 1)

    gateway.control.reset()

    assert (gateway.control.charges(), gateway.control.requests()) == ([], [])
    assert gateway.control.stats()["in_flight"] == {"now": 0, "peak": 0}
    assert paying.result(DEADLINE).status == "succeeded"


def test_a_mail_sink_is_as_at_its_start():
    """Its faults of the start included; messages are numbered from one again."""
    with running_mailsink(settings=MailFaults(seed=7, delay_seconds=1)) as sink:
        start = mailsink_state(sink.control)
        send(sink, mail())
        sink.control.faults(refuse_rate=0.5, seed=3)
        sink.control.down(seconds=60)
        assert all(mailsink_state(sink.control)[part] != start[part] for part in start)

        sink.control.reset()

        assert mailsink_state(sink.control) == start
        send(sink, mail())
        assert [message.number for message in sink.control.messages()] == [1]


def test_a_reset_hurries_the_mail_under_way_and_forgets_it(mailsink, aside):
    """Neither the message nor its late reply is counted afterwards."""
    mailsink.control.faults(delay_rate=1, delay_seconds=DEADLINE * 5)
    sending = aside(send, mailsink, mail())
    wait_until(lambda: mailsink.control.stats()["messages"] == 1)

    mailsink.control.reset()
    sending.result(DEADLINE)

    assert mailsink.control.stats()["messages"] == 0
    assert mailsink.control.stats()["replies"] == {}
