"""Ordering which tasks' calls are jobs, and keeping the broker's copy and the rows alike.

An order is in the broker first, where it takes effect though the ledger's tables are locked, then
in its row with an audit entry. What could not be written there is by a dispatcher, or by the next
order, as soon as it can be.
"""

import time
from collections.abc import Iterable
from datetime import datetime

from django.db import DatabaseError, InterfaceError

from celeriac.core import audit
from celeriac.core.clock import NOW
from celeriac.core.queries import fetch_row
from celeriac.jobs.enqueueing.locks import bounded_wait
from celeriac.jobs.errors import EnqueueBusy, InvalidOption, RouteNotOrdered
from celeriac.jobs.models import Route
from celeriac.jobs.operating.operate import Actor
from celeriac.jobs.routing.current_orders import current_orders
from celeriac.jobs.routing.orders import ALL, Order, newest, target_of
from celeriac.jobs.routing.rows import read_rows
from celeriac.jobs.routing.shared import shared_orders
from celeriac.settings import conf

_LONGEST = 1000


def order_route(pattern: str, *, share: float, reason: str, actor: Actor) -> Order:
    """Let `share` percent of the calls that fit a pattern be jobs; return the order.

    Its `recorded` says whether its row and its audit entry could be written already.

    Raises:
        InvalidOption: there is no pattern or no reason, or the share is no percentage.
        RouteNotOrdered: neither the broker nor the database took it.
    """
    if not (pattern := pattern.strip()) or any(each.isspace() for each in pattern):
        raise InvalidOption("Name tasks by a pattern without spaces, such as acme.mail.*")
    if not reason.strip():
        raise InvalidOption("Say why: a route needs a reason.")
    if not 0.0 <= share <= ALL:
        raise InvalidOption(f"{share:g}% is no share of the calls: say plain, ledger or 5%.")
    current_orders.orders()
    order = Order(
        pattern, float(share), _edit(), reason[:_LONGEST], str(actor or "")[:254], recorded=False
    )
    is_shared = shared_orders.write([order])
    current_orders.learn(order)
    try:
        recorded = record_order(order, actor=actor)
    except (EnqueueBusy, DatabaseError, InterfaceError) as error:
        if not is_shared:
            raise RouteNotOrdered(
                f"{pattern} is routed as before: neither the broker nor the database took the "
                f"order ({error}). Try again."
            ) from error
        return order
    if is_shared:
        shared_orders.write([recorded])
    current_orders.learn(recorded)
    return recorded


def record_order(order: Order, *, actor: Actor = None) -> Order:
    """Write an order's row, unless a newer one is there, and its audit entry; return it so.

    Raises:
        EnqueueBusy: somebody holds the row, or locks the table.
    """
    values = {"share": order.share, "edit": order.edit, "set_by": order.by, "reason": order.reason}
    with bounded_wait(f"the route of {order.pattern}"):
        row = Route.objects.select_for_update().filter(pattern=order.pattern).first()
        if row is None or row.edit < order.edit:
            before = target_of(ALL if row is None else row.share)
            Route.objects.update_or_create(pattern=order.pattern, defaults=values)
            audit.record(
                "route.order",
                "route",
                order.pattern,
                actor=actor or order.by,
                reason=order.reason,
                details={"from": before, "to": order.target, "edit": order.edit},
            )
    return Order(order.pattern, order.share, order.edit, order.reason, order.by)


def compare_orders() -> None:
    """Write to the rows what only the broker has, and to the broker what only the rows have."""
    if not conf.TASKS:
        return
    rows = newest(read_rows())
    shared = shared_orders.read()
    for order in shared or ():
        known = rows.get(order.pattern)
        if not order.recorded and (known is None or known.edit < order.edit):
            rows[order.pattern] = record_order(order)
    if shared is None or _differs(rows.values(), shared):
        shared_orders.write(rows.values())


def _differs(rows: Iterable[Order], shared: Iterable[Order]) -> bool:
    """Return whether the broker lacks an order, or has an older one."""
    edits = {order.pattern: (order.edit, order.recorded) for order in shared}
    return any(edits.get(row.pattern, (0, False)) < (row.edit, True) for row in rows)


def _edit() -> int:
    """Return the number of an order that is newer than all that are known."""
    try:
        moment: datetime = fetch_row(f"SELECT {NOW}")[0]
        now = moment.timestamp()
    except (DatabaseError, InterfaceError):
        now = time.time()  # the database is away: any number that is higher will do
    known = max((order.edit for order in current_orders.orders().values()), default=0)
    return max(int(now * 1_000_000), known + 1)
