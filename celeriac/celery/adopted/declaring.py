"""An adopted task as a kind of the ledger."""

from collections.abc import Mapping
from typing import Any

from celeriac.celery.adopted.calls import AdoptedSchema
from celeriac.celery.adopted.policy import policy_of
from celeriac.celery.adopted.routes import default_queue
from celeriac.jobs import registry
from celeriac.jobs.registry import Kind


class Handler:
    """Runs a job of one task; its module and name are the function's, as its declaration's."""

    def __init__(self, task: Any) -> None:
        self.task = task
        self.__module__ = task.run.__module__
        self.__qualname__ = getattr(task.run, "__qualname__", task.name)
        self.__doc__ = task.__doc__

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Run the task with the arguments of the job's call."""
        from celeriac.celery.adopted.run import run_adopted  # with the models, once jobs run

        return run_adopted(self.task, values)


def declare_adopted(task: Any) -> Kind:
    """Declare the kind of an adopted task; ValueError where another kind bears its name."""
    kind = Kind(
        name=task.name,
        handler=Handler(task),
        schema=AdoptedSchema(task.name, task.run),
        queue=default_queue(task),
        **policy_of(task),
    )
    return registry.declare_kind(kind)


def kind_of(task: Any) -> Kind:
    """Return the kind of an adopted task, declared now where nobody has."""
    kind = registry.get_kind(task.name)
    return kind if kind is not None else declare_adopted(task)
