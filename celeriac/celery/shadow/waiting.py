"""Which messages are still on their way: what the broker holds, and what its workers hold of it."""

import json
from collections.abc import Iterator
from typing import Any

#: Messages that are looked at in one queue; past it nobody knows.
_MOST, _PAGE = 200_000, 1000


def waiting_ids(apps: list[Any]) -> set[str] | None:
    """Return the task ids of the messages that Redis or Valkey holds; None where it can't be told.

    Those that a worker has taken and not acknowledged are among them.
    """
    found: set[str] = set()
    for app in apps:
        with app.connection_for_read() as connection:
            if connection.transport.driver_type != "redis":
                return None
            try:
                channel = connection.default_channel
                for text in _messages(channel, list(app.amqp.queues)):
                    if (task_id := _task_id(text)) is not None:
                        found.add(task_id)
            except (_TooMany, *connection.connection_errors, *connection.channel_errors):
                return None
    return found


class _TooMany(Exception):
    """There are more messages than are looked at."""


def _messages(channel: Any, queues: list[str]) -> Iterator[Any]:
    client = channel.client
    for queue in queues:
        for priority in channel.priority_steps:
            name = channel._q_for_pri(queue, priority)
            for start in range(0, _MOST + _PAGE, _PAGE):
                page = client.lrange(name, start, start + _PAGE - 1)
                if start >= _MOST and page:
                    raise _TooMany
                yield from page
                if len(page) < _PAGE:
                    break
    for _, text in client.hscan_iter(channel.unacked_key, count=_PAGE):
        taken = json.loads(text)
        yield taken[0] if isinstance(taken, list) else taken


def _task_id(message: Any) -> str | None:
    try:
        payload = message if isinstance(message, dict) else json.loads(message)
        found = payload["headers"].get("id") or payload["properties"]["correlation_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(found)
