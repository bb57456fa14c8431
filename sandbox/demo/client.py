"""A customer as a process: places its share of the orders, evenly, and notes each promise.

`python -m sandbox.demo.client --number 0 --clients 4 --orders 500 --seconds 25 --seed 7
--home DIRECTORY`: it gets ready, waits for the file `go` in the directory, and writes the ids of
its orders beside it, each once it is committed.
"""

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from apps.orders.services import Line

GO = "go"
#: Where a client notes the orders that it was told of.
PROMISES = "promises-{}.txt"
CARD = "pm_card_visa"
#: sku, name, price in minor units.
GOODS = [
    ("celeriac", "Celeriac, one root", 349),
    ("celery", "Celery, a bunch", 229),
    ("parsley", "Parsley, a pot", 189),
    ("carrot", "Carrots, 500 g", 149),
    ("leek", "Leek", 99),
    ("seeds", "Seeds, mixed", 1250),
]


def main() -> None:
    """Place the orders of one client."""
    given = _parsed()
    django.setup()
    from apps.orders.services import order_create  # models load after setup

    _wait_for(given.home / GO)
    mine = range(given.number, given.orders, given.clients)
    with (given.home / PROMISES.format(given.number)).open("a", buffering=1) as promises:
        for customer in _paced(mine, given.seconds):
            order = order_create(
                email=f"customer-{customer}@shop.example",
                items=basket(random.Random(f"{given.seed} {customer}")),  # noqa: S311 no secret
                payment_method=CARD,
            )
            promises.write(f"{order.id}\n")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo.client", description=__doc__)
    for name in ("number", "clients", "orders", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--home", type=Path, required=True)
    return parser.parse_args()


def _wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.05)


def _paced(customers: range, seconds: float) -> Iterator[int]:
    """Yield the customers spread over the time; late ones follow at once."""
    started = time.monotonic()
    for place, customer in enumerate(customers):
        due = started + seconds * place / len(customers)
        time.sleep(max(0.0, due - time.monotonic()))
        yield customer


def basket(chance: random.Random) -> "list[Line]":
    """Return what one customer buys."""
    from apps.orders.services import Line  # models load after setup

    chosen = chance.sample(GOODS, chance.randint(1, 3))
    return [Line(sku, name, chance.randint(1, 4), price) for sku, name, price in chosen]


if __name__ == "__main__":
    main()
