"""Which calls of tasks stand in functions that somebody calls inside a transaction."""

import ast
from collections import deque
from collections.abc import Callable

from celeriac.scanning.callbacks import Callbacks
from celeriac.scanning.calls import TaskCall
from celeriac.scanning.names import Names
from celeriac.scanning.sources import Module, SourceLine
from celeriac.scanning.transactions import Moment, Transactions


class Reach:
    """The project's functions by who calls them, and in which transaction."""

    def __init__(self, modules: list[Module], names: Names, transactions: Transactions) -> None:
        self._names = names
        self._callbacks = Callbacks(modules, names, transactions)
        self._callers: dict[str, list[str]] = {}
        self._open: dict[str, SourceLine] = {}
        for module in modules:
            for node in module.nodes:
                if isinstance(node, ast.Call):
                    self._note(module, node, transactions)
        self._by_last_part: dict[str, list[str]] = {}
        for caller, called in self._callers.items():
            self._by_last_part.setdefault(_any_named(caller), []).extend(called)
        self._migrating = dict(self._callbacks.migrating)
        self._handed_on = dict(self._callbacks.handed_on)
        self._spread(self._open, self._calls_of)
        # By full names alone: of these too many would be meant by a method's name.
        self._spread(self._migrating, self._named_calls_of)
        self._spread(self._handed_on, self._named_calls_of)

    def opened_by(self, call: TaskCall) -> SourceLine | None:
        """Return the place that calls the function around a call inside a transaction."""
        name = _function_name(call.module, call.node)
        return self._open.get(name) or self._open.get(_any_named(name))

    def migrated_by(self, call: TaskCall) -> SourceLine | None:
        """Return the migration that runs the function around a call in its transaction."""
        return self._migrating.get(_function_name(call.module, call.node))

    def handed_on_by(self, call: TaskCall) -> SourceLine | None:
        """Return the place that hands the function around a call on, as a value."""
        return self._handed_on.get(_function_name(call.module, call.node))

    def _note(self, module: Module, node: ast.Call, transactions: Transactions) -> None:
        name = self._called(module, node)
        receivers = self._callbacks.receivers(module, node)
        if not name and not receivers:
            return
        moment = transactions.moment(module, node)
        for called in filter(None, [*receivers, name]):
            if moment in (Moment.INSIDE, Moment.IN_SAVE):
                self._open.setdefault(called, module.line_of(node))
            elif moment is Moment.PLAIN:
                caller = _function_name(module, node)
                self._callers.setdefault(caller, []).append(called)

    def _called(self, module: Module, node: ast.Call) -> str:
        """Return the project's function or method that a call calls; "" for all others."""
        name = self._names.full_name(module, node.func)
        first, _, rest = name.partition(".")
        if first in ("self", "cls") and rest and "." not in rest:
            cls = next((e for e in module.parents(node) if isinstance(e, ast.ClassDef)), None)
            return self._method(module, cls, rest) if cls is not None else ""
        found = self._names.definition(name)
        if found and isinstance(found[1], ast.FunctionDef):
            return name
        # A method of some object: all methods of that name may be meant.
        return _any_named(node.func.attr) if isinstance(node.func, ast.Attribute) else ""

    def _method(self, module: Module, cls: ast.ClassDef, method: str) -> str:
        for name in [f"{module.name}.{cls.name}", *self._names.bases(module, cls)]:
            found = self._names.definition(f"{name}.{method}")
            if found is not None and isinstance(found[1], ast.FunctionDef):
                return f"{name}.{method}"
        return ""

    def _calls_of(self, name: str) -> list[str]:
        """Return what a function calls, or all that are so named."""
        if not name.startswith("?."):
            return self._callers.get(name, [])
        return self._by_last_part.get(name, [])

    def _named_calls_of(self, name: str) -> list[str]:
        return [] if name.startswith("?.") else self._callers.get(name, [])

    def _spread(self, reached: dict[str, SourceLine], calls_of: Callable[[str], list[str]]) -> None:
        """Follow the calls on from each function that is reached."""
        waiting = deque(reached)
        while waiting:
            name = waiting.popleft()
            for called in calls_of(name):
                if called not in reached:
                    reached[called] = reached[name]
                    waiting.append(called)


def _any_named(name: str) -> str:
    return f"?.{name.rpartition('.')[2]}"


def _function_name(module: Module, node: ast.AST) -> str:
    """Return the full name of the outermost function that a node stands in, its class included."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    around = [each.name for each in module.parents(node) if isinstance(each, kinds)]
    return ".".join([module.name, *reversed(around)])
