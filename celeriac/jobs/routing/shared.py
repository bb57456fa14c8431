"""Orders in the broker, where every process finds them though the ledger's tables are locked.

The rows are the truth, and this is a copy: one field of a hash for each pattern. Whoever finds it
empty reads the rows. The dispatchers compare both each second or so.
"""

import logging
import os
import time
from collections.abc import Iterable
from typing import Any

import redis

from celeriac.core.broker import BadAddress
from celeriac.jobs.nudge import nudge_client
from celeriac.jobs.routing.orders import Order, decode_order
from celeriac.settings import conf

logger = logging.getLogger(__name__)

KEY = "celeriac:routes"
#: A field that no pattern has: somebody compared the copy with the rows.
_COMPARED = ""


class SharedOrders:
    """One client per process, made at the first question; spared for a while after a failure."""

    def __init__(self) -> None:
        self._client: redis.Redis | None = None
        self._url = ""
        self._muted_until = 0.0

    def read(self) -> list[Order] | None:
        """Return the orders; None where the broker has no answer or was emptied. Never raises."""
        if time.monotonic() < self._muted_until:
            return None
        try:
            found = self._connected().hgetall(KEY)
        except redis.RedisError as error:
            self._mute(error)
            return None
        if not found:
            return None
        return [order for text in found.values() if (order := decode_order(text))]

    def write(self, orders: Iterable[Order]) -> bool:
        """Write orders over older ones; return whether the broker took them. Never raises."""
        fields: dict[Any, Any] = {order.pattern: order.encode() for order in orders}
        try:
            self._connected().hset(KEY, mapping={_COMPARED: "", **fields})
        except redis.RedisError as error:
            self._mute(error)
            return False
        return True

    def forget(self) -> None:
        """Start anew, in a fork and in tests."""
        self._client, self._muted_until = None, 0.0

    def _mute(self, error: redis.RedisError) -> None:
        """Ask no more for a while; a broker of another kind keeps no copy."""
        never = isinstance(error, BadAddress)
        self._muted_until = time.monotonic() + (60.0 if never else conf.NUDGE_MUTE_SECONDS)
        if not never:
            logger.warning("routes are read from their rows for a while: %s", error)

    def _connected(self) -> redis.Redis:
        if self._client is None or self._url != conf.NUDGE_URL:
            self._url = conf.NUDGE_URL
            self._client = nudge_client(self._url, timeout=conf.NUDGE_TIMEOUT_SECONDS)
        return self._client


shared_orders = SharedOrders()
os.register_at_fork(after_in_child=shared_orders.forget)
