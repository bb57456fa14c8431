import signal

import pytest
import stripe

from sandbox.gateway import FaultSettings, GatewayControl, GatewayOptions, running_gateway
from tests.integration.sandbox.tools import DEADLINE, pay, process, stripe_client


def url_of(line):
    """Return the URL in a ready line."""
    assert line.startswith("gateway ready http://127.0.0.1:")
    return line.split()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_where_it_is_and_ends_cleanly(number):
    """Exit status 0 on either signal."""
    with process("sandbox.gateway", "--port", 0) as (running, (line,)):
        assert GatewayControl(url_of(line)).healthy()

        running.send_signal(number)

        assert running.wait(DEADLINE) == 0


def test_a_signal_cuts_short_what_waits():
    """A delay of an hour does not keep the process."""
    with process("sandbox.gateway", "--delay-rate", 1, "--delay-seconds", 3600) as (running, lines):
        with (
            stripe_client(url_of(lines[0]), timeout=0.3) as client,
            pytest.raises(stripe.APIConnectionError),
        ):
            pay(client)

        running.terminate()

        assert running.wait(DEADLINE) == 0


def test_faults_come_from_options_and_the_environment(monkeypatch):
    """SEED is the documented name of the seed."""
    monkeypatch.setenv("GATEWAY_DECLINE_RATE", "1")
    monkeypatch.setenv("SEED", "42")
    with process("sandbox.gateway", "--decline-code", "lost_card") as (_, (line,)):
        faults = GatewayControl(url_of(line)).faults()
        with stripe_client(url_of(line)) as client, pytest.raises(stripe.CardError) as declined:
            pay(client)

    assert (faults["seed"], faults["decline_rate"]) == (42, 1.0)
    assert declined.value.error.decline_code == "lost_card"


def test_an_option_that_makes_no_sense_stops_the_start():
    """With the reason on stderr and argparse's exit status."""
    with process("sandbox.gateway", "--drop-rate", 7) as (running, _):
        assert running.wait(DEADLINE) == 2


def test_a_journal_carries_everything_over_a_kill(tmp_path):
    """Charges and keys alike: a retry after the restart does not charge again."""
    journal = tmp_path / "gateway.jsonl"
    with process("sandbox.gateway", "--journal", journal) as (running, (line,)):
        with stripe_client(url_of(line)) as client:
            first = pay(client, key="key-1")
            client.v1.refunds.create({"payment_intent": first.id, "amount": 100})
        running.kill()
        running.wait(DEADLINE)

    with process("sandbox.gateway", "--journal", journal) as (_, (line,)):
        with stripe_client(url_of(line)) as client:
            again = pay(client, key="key-1")
        stats = GatewayControl(url_of(line)).stats()

    assert again.id == first.id
    assert stats["charges"]["by_payment_intent"] == {first.id: 1}
    assert stats["refunds"] == {"count": 1, "amount": 100}


def test_a_torn_journal_loses_its_last_line_only(tmp_path):
    """Effect and saved answer are one line: both are there or neither."""
    journal = tmp_path / "gateway.jsonl"
    options = GatewayOptions(journal=journal)
    with running_gateway(options) as gateway, stripe_client(gateway.url) as client:
        pay(client, key="key-1", reference="order-1")
        pay(client, key="key-2", reference="order-2")
    journal.write_bytes(journal.read_bytes()[:-20])

    with running_gateway(options) as gateway, stripe_client(gateway.url) as client:
        assert gateway.control.stats()["charges"]["by_reference"] == {"order-1": 1}
        pay(client, key="key-2", reference="order-2")
        charged = gateway.control.stats()["charges"]["by_reference"]

    with running_gateway(options) as gateway:
        assert gateway.control.stats()["charges"]["by_reference"] == charged
    assert charged == {"order-1": 1, "order-2": 1}


def test_another_metadata_key_may_hold_the_reference():
    """For adapters that name it otherwise."""
    options = GatewayOptions(reference_key="payment_id")
    with (
        running_gateway(options, FaultSettings()) as gateway,
        stripe_client(gateway.url) as client,
    ):
        pay(client, metadata={"payment_id": "p-1"})
        assert gateway.control.charges()[0].reference == "p-1"
