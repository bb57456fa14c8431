"""What a running app's tasks are called, and how they are set up: for `manage.py celeriac scan`."""

import inspect
from collections.abc import Iterator
from typing import Any

from celery import current_app

from celeriac.celery.importing import import_tasks
from celeriac.scanning.declared import Registered

#: Options that Celery completes from its settings when a task is bound to an app.
_OPTIONS = (
    "acks_late",
    "reject_on_worker_lost",
    "acks_on_failure_or_timeout",
    "time_limit",
    "soft_time_limit",
    "serializer",
    "rate_limit",
    "ignore_result",
    "max_retries",
)
_OURS = ("celery.", "celeriac.")


def registered_tasks() -> Iterator[Registered]:
    """Iterate over the tasks of the current app that its project declares."""
    import_tasks(current_app)
    tasks: dict[str, Any] = dict(current_app.tasks)
    for name, task in sorted(tasks.items()):
        if not name.startswith("celery.") and not _is_kind(task):
            yield _described(name, task)


def _is_kind(task: Any) -> bool:
    """Tell whether a task is a kind of the ledger, or one of its own."""
    return type(task).__module__.startswith("celeriac.") or any(
        cls.__module__.startswith("celeriac.celery.base") for cls in type(task).__mro__
    )


def _described(name: str, task: Any) -> Registered:
    function = inspect.unwrap(task.run)
    function = getattr(function, "__func__", function)
    written = getattr(function, "__module__", None) == type(task).__module__
    options = {each: getattr(task, each, None) for each in _OPTIONS}
    config = task.app.conf
    options["time_limit"] = options["time_limit"] or config.task_time_limit
    options["soft_time_limit"] = options["soft_time_limit"] or config.task_soft_time_limit
    code = getattr(function, "__code__", None)
    return Registered(
        name=name,
        module=type(task).__module__,
        function=type(task).__name__ if not written else function.__name__,
        file=code.co_filename if code else "",
        line=code.co_firstlineno if code else 1,
        options=options,
        bases=tuple(_bases(type(task))),
    )


def _bases(cls: type) -> Iterator[str]:
    """Iterate over the classes of a task, the one made for it and Celery's own left out."""
    for each in cls.__mro__:
        made = vars(each).get("_decorated", False)
        if not made and each is not object and not each.__module__.startswith(_OURS):
            yield f"{each.__module__}.{each.__qualname__}"
