"""`manage.py celeriac route PATTERN plain|ledger|5% --reason …`, and without a pattern the list."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from typing import Any

from celeriac.celery.leaving.app_tasks import adopted_tasks
from celeriac.core.arguments import add_actor
from celeriac.core.errors import CeleriacError
from celeriac.jobs.routing.current_orders import EFFECT_SECONDS, current_orders
from celeriac.jobs.routing.order_route import order_route
from celeriac.jobs.routing.orders import order_for, read_target

Write = Callable[[str], object]


def add_route(parser: ArgumentParser) -> None:
    """Take what a route takes."""
    parser.add_argument("pattern", nargs="?", help="names of tasks, such as acme.mail.*")
    parser.add_argument("target", nargs="?", type=_target, help="plain, ledger or 5%%")
    parser.add_argument("--reason", default="", help="why, for the audit trail")
    parser.add_argument(
        "--ahead", action="store_true", help="though CELERIAC['TASKS'] has no such task yet"
    )
    add_actor(parser)


def run_route(options: Mapping[str, Any], write: Write) -> int:
    """Order a route, or say which there are; return the exit code."""
    pattern, share = options["pattern"], options["target"]
    if pattern is None:
        return _list(write)
    tasks = adopted_tasks(pattern)
    if share is None or not options["reason"].strip():
        print("Say where to and why: route PATTERN plain|ledger|5% --reason …", file=sys.stderr)
        return 2
    if not tasks and not options["ahead"]:
        print(
            f"No task of CELERIAC['TASKS'] fits {pattern!r}. Tasks that it has: "
            f"{', '.join(adopted_tasks()) or 'none'}. To order it for later say --ahead.",
            file=sys.stderr,
        )
        return 2
    try:
        order = order_route(pattern, share=share, reason=options["reason"], actor=options["actor"])
    except CeleriacError as error:
        print(error.message, file=sys.stderr)
        return 1
    write(f"{pattern} goes to {order.target}: in every process within {EFFECT_SECONDS:g} s.")
    for name in tasks:
        write(f"  {name}")
    if not order.recorded:
        write(
            "The ledger's tables can't be written now: the broker has the order, and a dispatcher "
            "writes its row and its audit entry as soon as it can."
        )
    return 0


def _list(write: Write) -> int:
    """Say where each task of CELERIAC["TASKS"] goes, and since which order."""
    orders = current_orders.orders()
    for name in adopted_tasks():
        order = order_for(name, orders)
        said = f"{order.target}: {order.pattern} by {order.by}: {order.reason}" if order else ""
        write(f"{name}  {said or 'ledger'}")
    for order in sorted(orders.values(), key=lambda order: -order.edit):
        write(f"order: {order.pattern} {order.target} by {order.by}: {order.reason}")
    return 0


def _target(text: str) -> float:
    try:
        return read_target(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
