"""Where a project calls its tasks: how, with which options, and in which transaction."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from celeriac.scanning.constants import Value, shortened
from celeriac.scanning.declared import Declarations, Task
from celeriac.scanning.names import Names
from celeriac.scanning.sources import Module, SourceLine
from celeriac.scanning.transactions import Moment, Transactions

#: Methods that send a task.
_SENDING = {"delay", "apply_async", "delay_on_commit", "apply_async_on_commit"}
#: Methods that make a signature of it.
_SIGNING = {"s", "si", "signature", "subtask"}
_CANVAS_METHODS = {"map", "starmap", "chunks"}
_CANVAS = {f"celery.{name}" for name in ("group", "chord", "chain", "chunks", "xmap", "xstarmap")}
_CANVAS |= {name.replace("celery.", "celery.canvas.") for name in _CANVAS}
#: What a signature is sent by.
_SENT = _SENDING | {"apply"}
_WAITING = {"get", "wait", "join"}
_BY_NAME = ("send_task", "signature")


@dataclass(eq=False)
class TaskCall:
    """One place that calls a task, or makes a signature of it."""

    place: SourceLine
    how: str
    moment: Moment
    module: Module
    node: ast.AST
    #: TaskOptions of apply_async, and of the signature.
    options: dict[str, Value] = field(default_factory=dict)
    args: list[ast.expr] = field(default_factory=list)
    #: The function that a canvas is built by, where the call is a part of one.
    canvas: str = ""
    #: Where the signature goes: "periodic", "sent" at once, "canvas", or "" where it can't be seen.
    goes: str = ""
    #: Whether the function around it asks for the result.
    waits: bool = False


@dataclass(eq=False)
class Calls:
    """All calls of a project."""

    of_task: dict[str, list[TaskCall]] = field(default_factory=dict)
    #: Calls of `.delay` or `.apply_async` on something that can't be named.
    unnamed: list[TaskCall] = field(default_factory=list)


class CallFinder:
    """Finds the calls of tasks in a project's modules."""

    def __init__(
        self, names: Names, declarations: Declarations, transactions: Transactions
    ) -> None:
        self._names = names
        self._declarations = declarations
        self._transactions = transactions
        self.calls = Calls()

    def read_module(self, module: Module) -> None:
        """Read the calls of one module."""
        for node in module.nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                self._read_attribute(module, node)
                self._read_value(module, node)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self._read_value(module, node)
            elif isinstance(node, ast.Call):
                self._read_by_name(module, node)

    def _read_value(self, module: Module, node: ast.Name | ast.Attribute) -> None:
        """Note a task that is handed on as a value: others may call it, where nobody sees it."""
        parent = next(module.parents(node), None)
        if isinstance(parent, ast.Attribute) or (
            isinstance(parent, ast.Call) and parent.func is node
        ):
            return
        task = self._declarations.tasks.get(self._names.full_name(module, node))
        if task is None or isinstance(task.node, ast.ClassDef) or module.is_local(node):
            return
        if task.module is module and module.function_of(node) is task.node:
            return
        self._add(task, TaskCall(module.line_of(node), "value", Moment.PLAIN, module, node))

    def _read_attribute(self, module: Module, node: ast.Attribute) -> None:
        known = node.attr in _SENDING | _SIGNING | _CANVAS_METHODS | {"apply", "retry", "replace"}
        if not known:
            return
        task = self._task_of(module, node.value)
        if task is not None:
            self._add(task, self._call(module, node))
        elif node.attr in _SENDING and not self._is_signature(module, node.value):
            call = self._call(module, node)
            name = self._names.full_name(module, node.value).partition(".")[0]
            if self._names.sources.module(name) is not None or not _is_foreign(node.value):
                self.calls.unnamed.append(call)

    def _read_by_name(self, module: Module, node: ast.Call) -> None:
        """Read `send_task("name")`, `signature("name")`."""
        name = self._names.full_name(module, node.func).rpartition(".")[2]
        if name not in _BY_NAME or not node.args:
            return
        value = self._names.value(module, node.args[0])
        task = self._declarations.by_name(str(value.worth)) if value.known else None
        if task is not None:
            call = TaskCall(
                module.line_of(node), name, self._transactions.moment(module, node), module, node
            )
            call.args = list(node.args[1:])
            self._add(task, call)

    def _add(self, task: Task, call: TaskCall) -> None:
        self.calls.of_task.setdefault(task.full_name, []).append(call)

    def _task_of(self, module: Module, node: ast.expr) -> Task | None:
        """Return the task that an expression stands for: by its name, or as `self` within it."""
        if isinstance(node, ast.Subscript) and shortened(node.value).endswith(".tasks"):
            value = self._names.value(module, node.slice)
            return self._declarations.by_name(str(value.worth)) if value.known else None
        full = "" if module.is_local(node) else self._names.full_name(module, node)
        task = self._declarations.tasks.get(full)
        if task is None and isinstance(node, ast.Name):
            function = module.function_of(node)
            if function is not None and function.args.args[:1]:
                own = self._declarations.tasks.get(f"{module.name}.{function.name}")
                if own and node.id == function.args.args[0].arg:
                    bind = own.option("bind")
                    return own if bind is not None and bind.is_true else None
        return task

    def _call(self, module: Module, node: ast.Attribute) -> TaskCall:
        call = TaskCall(
            module.line_of(node),
            node.attr,
            self._transactions.moment(module, node),
            module,
            node,
        )
        parent = next(module.parents(node), None)
        if isinstance(parent, ast.Call) and parent.func is node:
            self._read_arguments(call, module, parent)
            if node.attr in _SIGNING:
                call.goes, call.canvas = self._destination(module, parent)
            call.waits = _waits(module, parent)
        elif node.attr in _SENDING:
            call.how = f"{node.attr}, handed on"
            call.args = _of_partial(parent, node)
        return call

    def _read_arguments(self, call: TaskCall, module: Module, node: ast.Call) -> None:
        if call.how in ("apply_async", "apply_async_on_commit", "signature", "apply", "retry"):
            for keyword in node.keywords:
                if keyword.arg in ("args", "kwargs"):
                    call.args += _elements(keyword.value)
                else:
                    name = keyword.arg or f"**{shortened(keyword.value)}"
                    call.options[name] = self._names.value(module, keyword.value)
            for given in node.args[:2]:
                call.args += _elements(given)
        else:
            call.args = [*node.args, *(each.value for each in node.keywords)]

    def _destination(self, module: Module, node: ast.Call) -> tuple[str, str]:
        """Return where a signature goes, and the canvas around it."""
        for parent in module.parents(node):
            if isinstance(parent, ast.Call) and (found := self._given_to(module, parent)):
                return found
            match parent:
                case ast.keyword(arg="link" | "link_error"):
                    return "canvas", str(parent.arg)
                case ast.BinOp(op=ast.BitOr()):
                    return "canvas", "|"
                case ast.Attribute(value=value, attr=attr) if value is node and attr in _SENT:
                    return "sent", ""
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    built = next(canvases(self._names, module, parent), None)
                    return ("canvas", built[0]) if built else ("", "")
        return "", ""

    def _given_to(self, module: Module, node: ast.Call) -> tuple[str, str] | None:
        """Return where a call takes the signature that it is given, if that is known."""
        name = self._names.full_name(module, node.func)
        short = name.rpartition(".")[2] or getattr(node.func, "attr", "")
        if name in _CANVAS or short in ("link", "link_error", "on_error"):
            return "canvas", short
        return ("periodic", "") if short == "add_periodic_task" else None

    def _is_signature(self, module: Module, node: ast.expr) -> bool:
        """Tell whether an expression is a signature or a canvas, whose tasks are read elsewhere."""
        if isinstance(node, ast.BinOp):
            return isinstance(node.op, ast.BitOr)
        if isinstance(node, ast.Name):
            return self._holds_signature(module, node)
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Attribute) and node.func.attr in (_SIGNING | {"set"}):
            return True
        return self._names.full_name(module, node.func) in _CANVAS

    def _holds_signature(self, module: Module, node: ast.Name) -> bool:
        """Tell whether a local name was given a signature or a canvas, and nothing else."""
        function = module.function_of(node)
        given = [
            each.value
            for each in ast.walk(function or module.tree)
            if isinstance(each, ast.Assign)
            for target in each.targets
            if isinstance(target, ast.Name) and target.id == node.id
        ]
        return bool(given) and all(
            not isinstance(each, ast.Name) and self._is_signature(module, each) for each in given
        )


def canvases(names: Names, module: Module, node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Iterate over the canvases that a function builds: `group`, and where."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and (name := names.full_name(module, each.func)) in _CANVAS:
            yield name.rpartition(".")[2], each


def _elements(node: ast.expr) -> list[ast.expr]:
    """Return the arguments in a literal of them; the expression itself where it is none."""
    if isinstance(node, ast.List | ast.Tuple):
        return list(node.elts)
    if isinstance(node, ast.Dict):
        return list(node.values)
    return [node]


def _of_partial(parent: ast.AST | None, node: ast.Attribute) -> list[ast.expr]:
    """Return what `partial(task.delay, …)`, or `call_later(task.delay, …)`, gives to the task."""
    if isinstance(parent, ast.Call) and node in parent.args:
        later = parent.args[parent.args.index(node) + 1 :]
        return [*later, *(each.value for each in parent.keywords)]
    return []


def _waits(module: Module, node: ast.Call) -> bool:
    """Tell whether the result of a call is asked for where it was sent."""
    parent = next(module.parents(node), None)
    if isinstance(parent, ast.Attribute):
        return parent.attr in _WAITING
    function = module.function_of(node)
    if not isinstance(parent, ast.Assign) or function is None:
        return False
    names = {each.id for each in parent.targets if isinstance(each, ast.Name)}
    return any(
        isinstance(each, ast.Attribute)
        and each.attr in _WAITING
        and isinstance(each.value, ast.Name)
        and each.value.id in names
        for each in ast.walk(function)
    )


def _is_foreign(node: ast.expr) -> bool:
    """Tell whether an expression is surely no task, such as a module's or a literal's `delay`."""
    return isinstance(node, ast.Constant)
