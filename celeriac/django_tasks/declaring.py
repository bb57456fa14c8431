"""Declaring tasks as kinds of the ledger: when an app's tasks.py is loaded, and at start."""

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from django.apps import apps
from django.utils.module_loading import autodiscover_modules

from celeriac.django_tasks import kinds, policy, resolve
from celeriac.django_tasks.origin import InvalidTask, task_backends
from celeriac.django_tasks.types import AnyTask
from celeriac.jobs import registry
from celeriac.jobs.registry import Kind
from celeriac.jobs.schema import Schema
from celeriac.settings import conf

#: Declared before the apps were known.
_early: list[AnyTask] = []


def load_tasks() -> None:
    """Load every app's tasks.py and declare the kinds of each LedgerBackend (at start)."""
    backends = [each for each in task_backends.all() if hasattr(each, "defaults")]
    for backend in backends:
        name = kinds.general_kind(backend.alias)
        options = policy.joined_policy(backend.defaults, ())
        _declare(name, _by_path, kinds.PathSchema(name), options)
    while _early:
        declare_task(_early.pop(0))
    if backends:
        autodiscover_modules("tasks")


def declare_task(task: Any) -> None:
    """Make a task a kind of its own where every process loads it; the first declaration counts.

    Raises InvalidTask where its policy can't be kept.
    """
    if not apps.apps_ready:
        _early.append(task)
        return
    name = task.module_path
    if not _is_loaded_everywhere(task.func.__module__):
        if task.policy:
            raise InvalidTask(
                f"{name}: workers do not load {task.func.__module__} at their start, so its "
                "options would be lost: move it into its app's tasks.py, or name its module "
                "in CELERIAC['MODULES']."
            )
        return
    if kinds.is_own(task) and registry.get_kind(name) is not None:
        return
    kinds.own(task)
    options = policy.joined_policy(task.get_backend().defaults, task.policy)
    _declare(name, _handler(task), kinds.CallSchema(task), options)


def _declare(
    name: str, handler: Callable[..., Any], schema: Schema, options: dict[str, Any]
) -> None:
    from celeriac.django_tasks import ledger  # models are loaded by now

    registry.declare_kind(
        Kind(name=name, handler=handler, schema=schema, on_settled=ledger.tell_end, **options)
    )


def _handler(task: AnyTask) -> Callable[..., Any]:
    """Return the kind's handler: a coroutine's where the function is one's."""

    def call(args: Any = (), kwargs: Any = None) -> Any:
        from celeriac.django_tasks import run  # models are loaded by now

        return run.call_task(task, args, kwargs or {})

    async def call_and_await(args: Any = (), kwargs: Any = None) -> Any:
        from celeriac.django_tasks import run  # models are loaded by now

        return await run.await_task(task, args, kwargs or {})

    handler = call_and_await if iscoroutinefunction(task.func) else call
    handler.__module__, handler.__qualname__ = task.func.__module__, task.func.__qualname__
    return handler


def _by_path(task: str, args: Any = (), kwargs: Any = None) -> Any:
    from celeriac.django_tasks import run  # models are loaded by now

    return run.call_task(resolve.resolve_task(task), args, kwargs or {})


def _is_loaded_everywhere(module: str) -> bool:
    own = {f"{config.name}.tasks" for config in apps.get_app_configs()}
    return module in own or module in conf.MODULES
