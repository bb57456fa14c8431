"""What a task is called with: whether JSON holds it, and whether it may be large."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from celeriac.scanning.calls import TaskCall
from celeriac.scanning.constants import shortened
from celeriac.scanning.declared import Task
from celeriac.scanning.names import Names
from celeriac.scanning.sources import Module, SourceLine

_IN_JSON = {
    "int",
    "str",
    "bool",
    "float",
    "None",
    "list",
    "List",
    "Optional",
    "Union",
    "typing.List",
    "typing.Optional",
    "typing.Union",
}
_MODELS = {"django.db.models.Model", "django.db.models.base.Model"}
_ODD = {
    "pathlib.Path": "a path",
    "typing.Callable": "a function",
    "collections.abc.Callable": "a function",
    "bytes": "bytes",
    "set": "a set",
    "frozenset": "a set",
    "Exception": "an exception",
}
#: Methods and functions whose answers may be large.
_LARGE = {
    "read": "a file's content",
    "dumps": "a document as JSON text",
    "model_to_dict": "a whole object",
    "values": "rows of a query",
    "values_list": "rows of a query",
    "getvalue": "a buffer",
}
_BROUGHT = {
    f"{owner}.{name}"
    for owner in ("request", "self.request", "serializer")
    for name in ("data", "body")
}
#: Querysets' methods that answer an object.
_INSTANCES = {"get", "create", "first", "last", "get_or_create", "latest", "earliest"}


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument that is worth a look: what it is, and where that shows."""

    what: str
    place: SourceLine


class Arguments:
    """Looks at the annotations of tasks and at what their calls pass."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def odd(self, task: Task, calls: list[TaskCall]) -> Iterator[Argument]:
        """Iterate over arguments that JSON does not hold."""
        for name, annotation in _annotations(task):
            for what in self._odd_types(task.module, annotation):
                yield Argument(f"{name} is {what}", task.place)
        for call in calls:
            for given in call.args:
                if what := self._instance(call.module, given):
                    yield Argument(f"{shortened(given, 30)} is {what}", call.place)

    def large(self, calls: list[TaskCall]) -> Iterator[Argument]:
        """Iterate over arguments that may be large."""
        for call in calls:
            for given in call.args:
                if what := _large(_assigned(call.module, given)):
                    yield Argument(f"{shortened(given, 30)} may be {what}", call.place)

    def are_plain(self, task: Task) -> bool:
        """Tell whether a task takes nothing but numbers, text and lists of them, by its hints."""
        if task.node is None or isinstance(task.node, ast.ClassDef):
            return False
        arguments = task.node.args
        if arguments.vararg or arguments.kwarg:
            return False
        hints = dict(_annotations(task))
        return all(
            each.arg in hints and self._is_plain(task.module, hints[each.arg])
            for each in _parameters(task)
        )

    def _is_plain(self, module: Module, node: ast.expr) -> bool:
        names = {
            self._names.full_name(module, each)
            for each in ast.walk(_unquoted(node))
            if isinstance(each, ast.Name | ast.Attribute)
        }
        return names <= _IN_JSON

    def _odd_types(self, module: Module, node: ast.expr) -> Iterator[str]:
        for each in ast.walk(_unquoted(node)):
            if isinstance(each, ast.Name | ast.Attribute):
                name = self._names.full_name(module, each)
                if name in _ODD:
                    yield _ODD[name]
                elif what := self._class(name):
                    yield f"{what} {name.rpartition('.')[2]}"

    def _class(self, name: str) -> str:
        """Return what a class of the project is, where its objects are no JSON."""
        found = self._names.definition(name)
        if found is None or not isinstance(found[1], ast.ClassDef):
            return ""
        if _MODELS & set(self._names.bases(found[0], found[1])):
            return "a model's object,"
        decorators = {
            self._names.full_name(found[0], each.func if isinstance(each, ast.Call) else each)
            for each in found[1].decorator_list
        }
        return "a dataclass," if "dataclasses.dataclass" in decorators else ""

    def _instance(self, module: Module, node: ast.expr) -> str:
        value = _assigned(module, node)
        if shortened(value).endswith("request.user"):
            return "a model's object"
        if isinstance(value, ast.Lambda):
            return "a function"
        if not isinstance(value, ast.Call):
            return ""
        if isinstance(value.func, ast.Attribute) and value.func.attr in _INSTANCES:
            return "a model's object" if ".objects." in ast.unparse(value) else ""
        return self._class(self._names.full_name(module, value.func)).rstrip(",")


def has_returns(task: Task) -> bool:
    """Tell whether a task's function gives anything back."""
    return task.node is None or any(
        isinstance(each, ast.Return)
        and each.value is not None
        and not (isinstance(each.value, ast.Constant) and each.value.value is None)
        for each in ast.walk(task.node)
    )


def has_parameters(task: Task) -> bool:
    """Tell whether a task can be given anything."""
    if task.node is None or isinstance(task.node, ast.ClassDef):
        return True
    arguments = task.node.args
    return bool(arguments.vararg or arguments.kwarg or _parameters(task))


def _parameters(task: Task) -> list[ast.arg]:
    assert isinstance(task.node, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101 - for mypy
    arguments = task.node.args
    listed = [*arguments.posonlyargs, *arguments.args]
    bind = task.option("bind")
    return [*(listed[1:] if bind is not None and bind.is_true else listed), *arguments.kwonlyargs]


def _annotations(task: Task) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(task.node, ast.FunctionDef | ast.AsyncFunctionDef):
        for each in _parameters(task):
            if each.annotation is not None:
                yield each.arg, each.annotation


def _unquoted(node: ast.expr) -> ast.expr:
    """Return an annotation that is written as text as the expression that it is."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return node
    return node


def _assigned(module: Module, node: ast.expr) -> ast.expr:
    """Return what a local name was last given in its function, or the expression itself."""
    function = module.function_of(node)
    if not isinstance(node, ast.Name) or function is None:
        return node
    given = [
        each.value
        for each in ast.walk(function)
        if isinstance(each, ast.Assign) and each.lineno < node.lineno
        for target in each.targets
        if isinstance(target, ast.Name) and target.id == node.id
    ]
    return given[-1] if given else node


def _large(node: ast.expr) -> str:
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            name = getattr(each.func, "attr", "") or getattr(each.func, "id", "")
            if name in _LARGE and not (name == "values" and ".objects" not in ast.unparse(each)):
                return _LARGE[name]
        elif isinstance(each, ast.Attribute) and shortened(each) in _BROUGHT:
            return "what a request brought"
    return ""
