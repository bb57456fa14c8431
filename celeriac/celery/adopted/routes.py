"""Where the jobs of adopted tasks wait: as Celery's own router says."""

import logging
from typing import Any

from celery.exceptions import QueueNotFound

from celeriac.celery.adopted.patterns import carried_name

logger = logging.getLogger(__name__)


def default_queue(task: Any) -> str:
    """Return the queue of a task's calls that say nothing of it."""
    app = task._get_app()
    try:
        return route_call(task, {}, (), {})[0]
    except Exception as error:
        # A router of the project's own may want arguments; a queue that is missing is checked.
        level = logging.WARNING if isinstance(error, QueueNotFound) else logging.DEBUG
        logger.log(level, "the router has no queue for %s without a call: %s", task.name, error)
        return str(app.conf.task_default_queue)


def route_call(
    task: Any, options: dict[str, Any], args: Any, kwargs: Any
) -> tuple[str, dict[str, Any]]:
    """Return the queue of a call, and its options as the router leaves them."""
    app = task._get_app()
    if (carried := app.tasks.get(carried_name(task.name, kwargs))) is not None:
        task = carried
    route: dict[str, Any] = app.amqp.router.route(options, task.name, args, kwargs, task)
    queue = route.get("queue")
    if queue is None:
        queue = _bound_queue(app, route)
    return str(getattr(queue, "name", queue)), route


def _bound_queue(app: Any, route: dict[str, Any]) -> Any:
    """Return the queue that an exchange and a routing key lead to; the default one for none."""
    exchange, key = route.get("exchange"), route.get("routing_key")
    name = getattr(exchange, "name", exchange) or ""
    for queue in app.amqp.queues.values():
        if queue.routing_key == key and (not name or queue.exchange.name == name):
            return queue
    return key if key and not name else app.conf.task_default_queue
