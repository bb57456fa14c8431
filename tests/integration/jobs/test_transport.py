"""The broker's messages, read by a transport that nothing in them can break."""

import json
import os
import socket
from contextlib import suppress
from queue import Empty

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from kombu import Queue

from celeriac.celery.broker import Connection
from tests.support.invalid_values import task

#: Any JSON, and messages of which any part may be any JSON.
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
)
PARTS = ("body", "content-type", "content-encoding", "headers", "properties")
HEADERS = (
    "task",
    "id",
    "eta",
    "expires",
    "timelimit",
    "retries",
    "lang",
    "argsrepr",
    "ignore_result",
)
PROPERTIES = (
    "delivery_tag",
    "delivery_info",
    "body_encoding",
    "priority",
    "correlation_id",
    "reply_to",
)


def broken(names):
    """Return dictionaries that set some of these names to anything."""
    return st.dictionaries(st.sampled_from(names), VALUES, max_size=3)


MESSAGES = st.builds(
    lambda parts, headers, properties: task(headers=headers, properties=properties, **parts),
    broken(PARTS[:3]),
    broken(HEADERS),
    broken(PROPERTIES),
)
OPTIONS = {"ack_emulation": False, "socket_timeout": 5}
ITEMS = st.binary(max_size=40) | VALUES.map(json.dumps) | MESSAGES


@pytest.fixture(scope="module", params=[False, True], ids=["doorbells", "acknowledged"])
def consumer(request):
    """Yield a connection that consumes a queue, and the list of what arrived."""
    url = os.environ["BROKER_URL"]
    with Connection(
        url, transport_options={**OPTIONS, "ack_emulation": request.param}
    ) as connection:
        arrived = []
        queue = Queue("fuzzed", no_declare=True)
        with connection.Consumer(
            [queue],
            on_message=lambda message: (arrived.append(message), message.ack()),
            prefetch_count=4,
        ):
            yield connection, arrived
        connection.default_channel.client.flushall()


def drain(connection):
    """Take all that there is."""
    client = connection.default_channel._create_client()
    while client.llen("fuzzed"):
        with suppress(socket.timeout, Empty):
            connection.drain_events(timeout=0.5)


@settings(
    max_examples=int(os.environ.get("FUZZ", "30")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(items=st.lists(ITEMS, max_size=6))
def test_whatever_lies_in_a_queue_the_next_message_arrives(consumer, items):
    """Nothing raises, and nothing keeps a place of the prefetch."""
    connection, arrived = consumer
    client = connection.default_channel._create_client()
    for item in items:
        client.lpush("fuzzed", item)
    client.lpush("fuzzed", task(properties={"delivery_tag": "the last"}))
    arrived.clear()
    drain(connection)
    assert arrived
    assert arrived[-1].delivery_tag == "the last"


def test_a_broker_that_is_away_is_tried_each_second_at_most():
    """Left to itself kombu would come to wait for half a minute, and the first job with it."""
    tried = []

    def note(error, interval):
        tried.append(interval)
        if len(tried) == 4:
            raise EOFError

    with pytest.raises(EOFError):
        Connection("redis://127.0.0.1:1/0").ensure_connection(
            note, interval_start=2, interval_max=30
        )
    assert max(tried) <= 1.0


def test_a_broker_without_writes_is_no_broker(broker):
    """A replica answers pings, and would take no doorbell."""
    broker.execute_command("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        with pytest.raises(Exception, match="NOREPLICAS"):
            Connection(os.environ["BROKER_URL"]).connect()
    finally:
        broker.execute_command("CONFIG", "SET", "min-replicas-to-write", "0")
    with Connection(os.environ["BROKER_URL"]) as connection:
        connection.connect()


def test_a_full_broker_can_be_emptied(broker):
    """A worker that starts then takes what lies there, which makes room again."""
    broker.lpush("default", task())
    broker.execute_command("CONFIG", "SET", "maxmemory", "1")
    try:
        with Connection(os.environ["BROKER_URL"], transport_options=OPTIONS) as connection:
            taken = []
            with connection.Consumer([Queue("default", durable=True)], on_message=taken.append):
                connection.drain_events(timeout=5)
            assert len(taken) == 1
    finally:
        broker.execute_command("CONFIG", "SET", "maxmemory", "0")


@pytest.mark.parametrize(
    ("away", "back"),
    [
        (("CONFIG", "SET", "requirepass", "secret"), ("CONFIG", "SET", "requirepass", "")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (
            ("CONFIG", "SET", "min-replicas-to-write", "1"),
            ("CONFIG", "SET", "min-replicas-to-write", "0"),
        ),
    ],
)
def test_a_broker_that_refuses_is_tried_until_it_no_longer_does(broker, away, back):
    """Whatever word it has for it, it is an outage."""
    refusals = []

    def note(error, interval):
        refusals.append(error)
        broker.execute_command(*back)

    broker.execute_command(*away)
    try:
        connection = Connection(os.environ["BROKER_URL"], transport_options=OPTIONS)
        connection.ensure_connection(note, 5)
        assert connection.connected
        assert len(refusals) == 1
        connection.release()
    finally:
        broker.execute_command(*back)
