"""Where calls of the project's own tasks go, and messages that nobody is known to have sent."""

from collections.abc import Iterator

from celeriac.core.check_results import CheckResult, ok, warning
from celeriac.jobs.models import HandedBack
from celeriac.jobs.phrases import count
from celeriac.jobs.routing.current_orders import current_orders
from celeriac.jobs.routing.orders import ALL
from celeriac.settings import conf


def check_routes() -> Iterator[CheckResult]:
    """Name the orders in force, and what they or a handback left undone."""
    if not conf.TASKS:
        return
    orders = sorted(current_orders.orders().values(), key=lambda order: -order.edit)
    for order in orders:
        if not order.recorded:
            says = f"the order of {order.pattern} to {order.target} has no row and no audit entry"
            todo = "A dispatcher writes them as soon as it can: start one, or order it again."
            yield warning("routes", says, todo)
        elif order.share < ALL:
            why = f"by {order.by or 'somebody'}: {order.reason}"
            yield ok("routes", f"{order.pattern} goes to {order.target} {why}")
    if unsent := HandedBack.objects.filter(sent_at=None).count():
        says = f"{count(unsent, 'message')} of a handback may not have been sent"
        todo = "Hand back again: it sends them, and lists them, for they may have gone twice."
        yield warning("routes", says, f"{todo} manage.py celeriac handback --list names them.")
