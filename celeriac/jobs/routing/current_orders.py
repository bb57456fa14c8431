"""What this process knows of the orders: at most two seconds old when a call asks.

The broker's copy is asked at most once a second, in at most NUDGE_TIMEOUT_SECONDS. Where it has
none, the rows are, on a connection of their own. While neither answers, what was known holds.
"""

import os
import threading
import time

from celeriac.jobs.enqueueing.own_connection import is_within_test
from celeriac.jobs.routing import orders
from celeriac.jobs.routing.orders import Order
from celeriac.jobs.routing.rows import Unanswered, ask_database, read_rows
from celeriac.jobs.routing.shared import shared_orders

#: Seconds within which every process goes by a new order.
EFFECT_SECONDS = 5.0
#: Seconds after which the orders are read again, and that one question to the rows may take.
_FRESH, _PATIENCE = 1.0, 0.5


class CurrentOrders:
    """The orders that this process goes by."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Know nothing: for tests."""
        self._orders: dict[str, Order] = {}
        self._shares: dict[str, float] = {}
        self._read_from = 0.0

    def after_fork(self) -> None:
        """Let no lock of another thread stay held."""
        self._lock = threading.Lock()

    def share(self, name: str) -> float:
        """Return the percentage of a task's calls that are jobs now."""
        if time.monotonic() >= self._read_from:
            self.refresh()
        if not self._orders:
            return orders.ALL
        share = self._shares.get(name)
        if share is None:
            share = self._shares[name] = orders.share_of(name, self._orders)
        return share

    def orders(self) -> dict[str, Order]:
        """Return the orders by pattern, just read."""
        self._read_from = 0.0
        self.refresh()
        return self._orders

    def learn(self, *found: Order) -> None:
        """Take over what is newer."""
        known = orders.newest(self._orders.values(), found)
        if known != self._orders:
            self._orders, self._shares = known, {}

    def refresh(self) -> None:
        """Read the orders, unless another thread does."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            found = shared_orders.read()
            self.learn(*(_from_rows() if found is None else found))
            self._read_from = time.monotonic() + _FRESH
        finally:
            self._lock.release()


def _from_rows() -> list[Order]:
    if is_within_test():  # its rows are not there for others, and its queries may be counted
        return []
    try:
        found = ask_database(read_rows, seconds=_PATIENCE)
    except Unanswered:
        return []
    shared_orders.write(found)
    return found


current_orders = CurrentOrders()
os.register_at_fork(after_in_child=current_orders.after_fork)
