"""How doorbells leave for each broker: in one write to Redis, one by one to RabbitMQ."""

import contextlib
from typing import Any

from celery.app import app_or_default
from kombu import Exchange, Queue

from celeriac.jobs.dispatching.pending_doorbells import RingFailed

#: Messages in one write to the broker.
PIPELINE = 500
#: Seconds for which a canary is kept that its worker does not take, and that its queue stays.
CANARY_LIVES = 30
#: Seconds that the broker may take to answer, and to take a connection.
PATIENCE, CONNECT = 2.0, 1.0
#: A dispatcher has better things to do than to wait for a broker: it tries again itself.
IMPATIENT = {
    "socket_timeout": PATIENCE,
    "socket_connect_timeout": CONNECT,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
    # RabbitMQ says of each message that it has it.
    "confirm_publish": True,
}


class BatchUnsupported(RingFailed):
    """The broker's transport would lose doorbells, or send those of Redis one by one."""


class RedisWire:
    """Redis and Valkey: a round's doorbells in one write, to lists that nobody needs to make."""

    #: What is declared before a doorbell leaves.
    declare: tuple[Any, ...] | None = ()

    def check(self, producer: Any) -> None:
        """Raise BatchUnsupported where this kombu could write many at once, and will not."""
        if getattr(producer, "supports_batch_publish", None) is False:
            raise BatchUnsupported(
                "The broker's transport can't pipeline doorbells: take retry, retry_on_timeout "
                "and retry_on_error out of the transport options.",
                uncertain=False,
            )

    def ping(self, connection: Any) -> None:
        """Raise where the broker does not answer."""
        connection.default_channel.client.ping()

    def batch(self, producer: Any) -> contextlib.AbstractContextManager[Any]:
        """Send what follows in one write; kombu before 5.7 can only send one by one."""
        gathers = hasattr(producer, "batch")
        return producer.batch(max_size=PIPELINE) if gathers else contextlib.nullcontext()

    def keep_canaries(self, connection: Any, queues: list[str]) -> None:
        """Have the queues of canaries vanish that their workers do not empty."""
        for queue in queues:
            connection.default_channel.client.expire(queue, CANARY_LIVES)


class RabbitWire:
    """RabbitMQ: each doorbell by itself, confirmed, to queues that are made as a worker makes them.

    It sends no other question that changes nothing, so a limit of prefetching is set on a channel
    that takes nothing.
    """

    declare: tuple[Any, ...] | None = None  # Celery's own choice: the queue

    def check(self, producer: Any) -> None:
        """Every kombu can do it."""

    def ping(self, connection: Any) -> None:
        """Raise where the broker does not answer within PATIENCE."""
        channel = connection.default_channel
        connection.connection.transport.sock.settimeout(PATIENCE)
        channel.basic_qos(0, 0, False)

    def batch(self, producer: Any) -> contextlib.AbstractContextManager[Any]:
        """Send what follows one by one."""
        return contextlib.nullcontext()

    def keep_canaries(self, connection: Any, queues: list[str]) -> None:
        """They vanish by themselves: see canary_queue."""


WIRES: dict[str, RedisWire | RabbitWire] = {"redis": RedisWire(), "amqp": RabbitWire()}


def wire_of(connection: Any) -> RedisWire | RabbitWire:
    """Return how doorbells leave on a connection, which need not be there yet.

    Raises:
        BatchUnsupported: no doorbells were ever tried over such a transport.
    """
    kind = connection.transport.driver_type
    if kind not in WIRES:
        raise BatchUnsupported(
            f"The broker's transport ({kind}) can't carry doorbells: use Redis or Valkey, "
            "or RabbitMQ.",
            uncertain=False,
        )
    return WIRES[kind]


def connect(app: Any) -> Any:
    """Return a connection to an app's broker that waits for nothing long; none is made yet."""
    options = {**app.conf.broker_transport_options, **IMPATIENT}
    return app.connection_for_write(transport_options=options, connect_timeout=CONNECT)


def ping_broker() -> None:
    """Raise where the project's broker does not answer within seconds, whichever it is."""
    with connect(app_or_default()) as connection:
        wire_of(connection).ping(connection)


def canary_queue(name: str, connection: Any) -> Queue:
    """Return the queue of one worker alone: RabbitMQ removes it once the worker has left."""
    if connection.transport.driver_type != "amqp":
        return Queue(name, Exchange(""), routing_key=name, no_declare=True)
    return Queue(
        name,
        Exchange(""),
        routing_key=name,
        auto_delete=True,
        expires=CANARY_LIVES,
        message_ttl=CANARY_LIVES,
    )
