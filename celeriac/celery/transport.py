"""kombu's Redis transport, made for a broker that may hold anything and go away at any time.

- What lies in a queue or comes through the control channel and can't be read is dropped.
- A broker that can't be written to (a replica, one short of replicas, full, loading) is away.
- Doorbells that could not be given back to a broker that went away are dropped in one line.
- A key that should be a list or set and is none is deleted: nothing of value lies in the broker.
"""

import logging
from collections.abc import Callable
from queue import Empty
from typing import Any

from kombu.transport import redis as kombu_redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from redis.exceptions import DataError, RedisError, ResponseError

from celeriac.jobs import invalid_messages

logger = logging.getLogger(__name__)

#: Written to when a connection is made: a broker that takes no writes is no broker.
PROBE = "celeriac:probe"
#: The beginnings of answers of a server that can't do its work now, but may again.
_UNFIT = ("READONLY", "NOREPLICAS", "MISCONF", "MASTERDOWN", "LOADING", "UNBLOCKED", "TRYAGAIN")
#: What is nobody's garbage: the connection's own troubles, and that there is nothing to read.
_TROUBLE = (RedisError, OSError, Empty)


class QoS(virtual.QoS):
    """Without acknowledgements what was fetched and not begun is given back at the end."""

    _delivered: Any
    _flush: Any
    _on_collect: Any

    def restore_unacked(self) -> Any:
        """Give back; stop at the first failure, or each message would wait for a dead broker."""
        self._flush()
        while self._delivered:
            _, message = self._delivered.popitem()
            try:
                self.channel._restore(message)
            except Exception as error:
                count = len(self._delivered) + 1
                self._delivered.clear()
                text = "%d messages went with the broker, doorbells are rung again: %s"
                logger.info(text, count, error)
        return []

    def restore_unacked_once(self, stderr: object = None) -> None:
        """Do so once, without kombu's cries and dump files: nothing of value is lost."""
        self._on_collect.cancel()
        if getattr(self._delivered, "restored", None) or not self.channel.do_restore:
            return
        try:
            self.restore_unacked()
        finally:
            self._delivered.restored = True


class RobustChannel:
    """What both of kombu's Redis channels need: a mixin."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.ack_emulation:  # type: ignore[attr-defined]  # kombu's, as below
            self.QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            self._clear(self._queue_keys(), "list", error)
            raise Empty from error
        except _TROUBLE:
            raise
        except Exception as error:
            invalid_messages.drop_message("queue", "", error)
            raise Empty from error

    def _receive_one(self, client: Any) -> Any:
        try:
            return super()._receive_one(client)  # type: ignore[misc]
        except (*_TROUBLE, KeyError):
            raise
        except Exception as error:
            invalid_messages.drop_message("control", "", error)
            return None

    def _handle_message(self, client: Any, response: Any) -> Any:
        """Read one answer of the channel; what is no mail comes out empty, and is passed over."""
        found = super()._handle_message(client, response)  # type: ignore[misc]
        if bytes_to_str(found["type"]).endswith("message"):
            try:
                _check_mail(found["data"], self.decode_body)  # type: ignore[attr-defined]
            except Exception as error:  # whatever it is that can't be read
                invalid_messages.drop_message("control", found["data"], error)
                found["data"] = None
        return found

    def _queue_bind(self, exchange: str, *args: Any) -> None:
        bind: Callable[..., None] = super()._queue_bind  # type: ignore[misc]
        try:
            bind(exchange, *args)
        except ResponseError as error:
            if is_full(error):  # what lies in the queues can be taken, which is what makes room
                return
            if not is_wrong_type(error):
                raise
            self._clear(self._binding_keys(exchange), "set", error)
            bind(exchange, *args)

    def get_table(self, exchange: str) -> list[tuple[str, ...]]:
        """Return the exchange's bindings, without what is none."""
        try:
            rows: list[tuple[str, ...]] = super().get_table(exchange)  # type: ignore[misc]
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            self._clear(self._binding_keys(exchange), "set", error)
            return []
        except UnicodeDecodeError as error:
            self._clear(self._binding_keys(exchange), "", error)
            return []
        return [row for row in rows if len(row) == 3]

    def _queue_keys(self) -> list[str]:
        steps, queues = self.priority_steps, self.active_queues  # type: ignore[attr-defined]
        return [self._q_for_pri(queue, step) for queue in queues for step in steps]  # type: ignore[attr-defined]

    def _binding_keys(self, exchange: str) -> list[str]:
        names = (self.keyprefix_queue, self.keyprefix_binding_permanent)  # type: ignore[attr-defined]
        return [name % (exchange,) for name in names]

    def _clear(self, keys: list[str], kind: str, why: Exception) -> None:
        """Delete those of `keys` that are of another kind."""
        with self.conn_or_acquire() as client:  # type: ignore[attr-defined]
            for key in keys:
                if client.type(key) not in (kind.encode(), kind, b"none", "none"):
                    invalid_messages.drop_message("queue", key, why)
                    client.delete(key)


class Channel(RobustChannel, kombu_redis.Channel):  # type: ignore[misc]  # kombu bears no types
    """A channel to one server."""


class SentinelChannel(RobustChannel, kombu_redis.SentinelChannel):  # type: ignore[misc]  # likewise
    """A channel to the server that the sentinels name."""


class RobustTransport:
    """What both of kombu's Redis transports need: a mixin."""

    # A refusal (READONLY, NOREPLICAS, OOM, NOAUTH …) ends the connection, not the worker.
    connection_errors = (*kombu_redis.Transport.connection_errors, ResponseError)

    def establish_connection(self) -> Any:
        """Connect, and see that the broker takes writes."""
        found = super().establish_connection()  # type: ignore[misc]
        try:
            with self._avail_channels[-1].conn_or_acquire() as client:  # type: ignore[attr-defined]
                client.delete(PROBE)
        except ResponseError as error:
            if is_unfit(error):
                self.close_connection(found)  # type: ignore[attr-defined]
                raise
        return found

    def _deliver(self, message: Any, queue: str) -> None:
        try:
            super()._deliver(message, queue)  # type: ignore[misc]
        except _TROUBLE as error:
            if not isinstance(error, DataError):  # something in the message that is no value
                raise
            self._drop(message, queue, error)
        except Exception as error:
            self._drop(message, queue, error)

    def _drop(self, message: Any, queue: str, error: Exception) -> None:
        invalid_messages.drop_message(
            "control" if queue.endswith(".pidbox") else "queue", message, error
        )
        self._forget(message)

    def _forget(self, message: Any) -> None:
        """Acknowledge it where it counts as taken, or it would hold a place of the prefetch."""
        try:
            tag = message["properties"]["delivery_tag"]
            for channel in self.channels:  # type: ignore[attr-defined]
                if channel.qos is not None and tag in channel.qos._delivered:
                    channel.basic_ack(tag)
        except (TypeError, KeyError):
            return  # never taken


class Transport(RobustTransport, kombu_redis.Transport):  # type: ignore[misc]  # kombu bears no types
    """One server."""

    Channel = Channel


class SentinelTransport(RobustTransport, kombu_redis.SentinelTransport):  # type: ignore[misc]  # likewise
    """The server that the sentinels name."""

    Channel = SentinelChannel


#: Ours for each of kombu's.
ROBUST = {kombu_redis.Transport: Transport, kombu_redis.SentinelTransport: SentinelTransport}


def _check_mail(data: bytes, decode_body: Callable[..., Any]) -> None:
    """Raise where it is neither a control command nor an event of Celery's."""
    message = loads(data)
    body = loads(decode_body(message["body"], message["properties"].get("body_encoding")))
    if not message["properties"]["delivery_tag"] or not isinstance(message["headers"], dict):
        raise ValueError("no mail")
    for each in body if isinstance(body, list) else [body]:
        wanted = {"method": str, "arguments": dict, "reply_to": dict, "destination": list}
        for name, kind in wanted.items():
            if not isinstance(each.get(name), kind | None):
                raise TypeError(f"{name}: {each[name]!r:.100}")
        if not {"method", "type"} & each.keys():
            raise ValueError("neither a command nor an event")


def is_wrong_type(error: ResponseError) -> bool:
    """Say whether a key held something of another kind than the command takes."""
    return str(error).startswith("WRONGTYPE") or "wrong kind of value" in str(error)


def is_full(error: ResponseError) -> bool:
    """Say whether the server has no memory for what is written."""
    return "OOM" in str(error) or "maxmemory" in str(error)


def is_unfit(error: ResponseError) -> bool:
    """Say whether the server can't do its work now, as a replica or one short of replicas can't."""
    text = str(error)
    return text.startswith(_UNFIT) or any(word in text for word in _REWORDED)


#: redis-py takes the first word off where it has a class for it.
_REWORDED = (
    "read only replica",
    "Not enough good replicas",
    "is configured to save RDB",
    "MASTER is down",
)
