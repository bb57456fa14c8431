"""An adopted task as a kind of the ledger."""

from collections.abc import Mapping
from typing import Any

from celeriac.celery.adopted.calls import AdoptedSchema
from celeriac.celery.adopted.patterns import CARRIERS, fits
from celeriac.celery.adopted.policy import policy_of
from celeriac.celery.adopted.routes import default_queue
from celeriac.jobs import registry
from celeriac.jobs.registry import Kind
from celeriac.settings import conf


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
    schema, redact = _schema_of(task)
    kind = Kind(
        name=task.name,
        handler=Handler(task),
        schema=schema,
        redact=redact,
        queue=default_queue(task),
        **policy_of(task),
    )
    return registry.declare_kind(kind)


def _schema_of(task: Any) -> tuple[AdoptedSchema, tuple[str, ...]]:
    """Return what checks a task's calls, and what of them is never shown.

    A task names that itself (`redact=`); of what a pattern names it is what the task takes.
    """
    own = tuple(getattr(task, "redact", None) or ())
    said = [
        name
        for pattern, names in conf.REDACT.items()
        if fits(task.name, (pattern,))
        for name in names
    ]
    schema = AdoptedSchema(task.name, task.run, (*own, *said))
    known = {*schema.parameters, "result"}
    return schema, (*own, *(name for name in said if name.split(".")[0] in known))


def declare_carrier(app: Any, name: str) -> None:
    """Declare one of Celery's own tasks that carry others, once a job bears its name."""
    if name in CARRIERS and name in app.tasks:
        declare_adopted(app.tasks[name])


def kind_of(task: Any) -> Kind:
    """Return the kind of an adopted task, declared now where nobody has."""
    kind = registry.get_kind(task.name)
    return kind if kind is not None else declare_adopted(task)
