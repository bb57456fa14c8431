"""A customer as a process: places its share of the orders, evenly, and notes each promise.

`python -m sandbox.demo.client NUMBER CLIENTS ORDERS SECONDS SEED FILE`
"""

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from apps.orders.services import Line

GOODS = [
    ("celeriac", "Celeriac, one root", 349),
    ("celery", "Celery, a bunch", 229),
    ("parsley", "Parsley, a pot", 189),
    ("carrot", "Carrots, 500 g", 149),
    ("leek", "Leek", 99),
    ("seeds", "Seeds, mixed", 1250),
]
CARD = "pm_card_visa"


def main(arguments: list[str]) -> None:
    """Place the orders of one client."""
    number, clients, orders = (int(text) for text in arguments[:3])
    seconds, seed, promises = float(arguments[3]), int(arguments[4]), Path(arguments[5])
    django.setup()
    from apps.orders.services import order_create  # models load after setup

    mine = range(number, orders, clients)
    with promises.open("a", buffering=1) as file:
        for customer in _paced(mine, seconds):
            email = f"customer-{customer}@shop.example"
            items = _basket(random.Random(f"{seed} {customer}"))  # noqa: S311 no secret
            order = order_create(email=email, items=items, payment_method=CARD)
            file.write(f"{order.id}\n")


def _paced(customers: range, seconds: float) -> Iterator[int]:
    """Yield the customers spread over the time; late ones follow at once."""
    started = time.monotonic()
    for place, customer in enumerate(customers):
        due = started + seconds * place / len(customers)
        time.sleep(max(0.0, due - time.monotonic()))
        yield customer


def _basket(chance: random.Random) -> "list[Line]":
    from apps.orders.services import Line  # models load after setup

    chosen = chance.sample(GOODS, chance.randint(1, 3))
    return [Line(sku, name, chance.randint(1, 4), price) for sku, name, price in chosen]


if __name__ == "__main__":
    main(sys.argv[1:])
