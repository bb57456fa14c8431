"""Tasks as kinds of the ledger.

A task that every process loads at its start (in an app's tasks.py, or in a module that
CELERIAC['MODULES'] names) is a kind of its own, named by its import path: with its own policy,
run times and place in the admin. Any other task of an installed app runs under one general
kind of its backend, which finds the function by its path when the job runs.
"""

from collections.abc import Mapping
from inspect import Parameter, Signature, signature
from typing import Any

from celeriac.django_tasks import resolve
from celeriac.django_tasks.origin import InvalidTask
from celeriac.django_tasks.types import AnyTask
from celeriac.jobs import registry
from celeriac.jobs.errors import InvalidArgs
from celeriac.jobs.jsonable import Json
from celeriac.jobs.schema import Dumped, Schema

_HINTS: dict[str, Any] = {"args": list[Json], "kwargs": dict[str, Json]}
_ORDER = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)

#: Tasks that are kinds of their own, by the name of the kind.
_own: dict[str, AnyTask] = {}


class CallSchema(Schema):
    """`{"args": […], "kwargs": {…}}`, which must fit the function's signature."""

    __slots__ = ("_signature",)

    def __init__(self, task: AnyTask) -> None:
        super().__init__(task.name, _HINTS, {"args": [], "kwargs": {}})
        self._signature = signature_of(task)

    def check(self, args: Mapping[str, Any]) -> Dumped:
        """Return `args` validated; InvalidArgs says what does not fit."""
        dumped = super().check(args)
        bind_call(self._signature, dumped.values)
        return dumped

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that a lock or unique template may use."""
        found = self._signature.parameters.values()
        return tuple(each.name for each in found if each.kind not in _ORDER)

    def named(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values by the function's own parameters."""
        return bind_call(self._signature, values)


class PathSchema(Schema):
    """The same with the import path of the task in front: `{"task": "shop.mail.send", …}`."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name, {"task": str, **_HINTS}, {"args": [], "kwargs": {}})

    def check(self, args: Mapping[str, Any]) -> Dumped:
        """Return `args` validated: the path must lead to a task, and the call must fit it."""
        dumped = super().check(args)
        try:
            task = resolve.resolve_task(dumped.values["task"])
        except InvalidTask as error:
            raise InvalidArgs(f"task: {error}", errors={"task": str(error)}) from error
        bind_call(signature_of(task), dumped.values)
        return dumped


def own(task: AnyTask) -> None:
    """Note that the task is a kind of its own."""
    _own[task.module_path] = task


def is_own(task: AnyTask) -> bool:
    """Return whether that very function is a kind of its own."""
    known = _own.get(task.module_path)
    return known is not None and known.func is task.func


def call_of(task: AnyTask, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the kind and the arguments of a call; InvalidTask where no worker would find it."""
    if is_own(task):
        return task.module_path, values
    found = resolve.resolve_task(task.module_path)
    if found.func is not task.func:
        raise InvalidTask(f"{task.module_path} is another function than this task's.")
    return general_kind(task.backend), {"task": task.module_path, **values}


def task_of(kind: str, args: Mapping[str, Any]) -> AnyTask | None:
    """Return the task that a job of this kind calls; None where it is no task's job.

    Raises InvalidTask where the function is no longer there.
    """
    declared = registry.get_kind(kind)
    name = declared.name if declared is not None else kind
    if name in _own:
        return _own[name]
    if declared is not None and isinstance(declared.schema, PathSchema):
        return resolve.resolve_task(str(args.get("task")))
    return None


def backend_of(kind: str, task: AnyTask) -> str:
    """Return the alias of the backend that a job of this kind came through."""
    declared = registry.get_kind(kind)
    if declared is None or not isinstance(declared.schema, PathSchema):
        return task.backend
    return kind.removeprefix("django.task").removeprefix(".") or "default"


def general_kind(alias: str) -> str:
    """Return the name of a backend's general kind."""
    return "django.task" if alias == "default" else f"django.task.{alias}"


def signature_of(task: AnyTask) -> Signature:
    """Return what a caller of the task may pass: all but the context."""
    full = signature(task.func)
    parameters = list(full.parameters.values())
    return full.replace(parameters=parameters[1:] if task.takes_context else parameters)


def bind_call(call: Signature, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by parameter, defaults included; InvalidArgs where they do not fit."""
    try:
        bound = call.bind(*values.get("args", ()), **values.get("kwargs", {}))
    except TypeError as error:
        raise InvalidArgs(f"args: {error}", errors={"args": str(error)}) from error
    bound.apply_defaults()
    return dict(bound.arguments)
