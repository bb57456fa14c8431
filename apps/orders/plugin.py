"""What orders add to the console."""

from celeriac import Plugin

_MONEY = "the books: what was sold, charged and said is kept for as long as the law asks"

PLUGIN = Plugin(
    name="orders",
    sidebar={"Payments": (("Orders", "orders.order"),)},
    viewed=frozenset({"orders"}),
    kept={"orders.Order": _MONEY, "orders.Item": _MONEY},
    large_tables=frozenset({"orders.Order", "orders.Item"}),
    audited=("order",),
)
