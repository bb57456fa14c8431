"""Which calls of tasks stand in functions that somebody calls inside a transaction."""

import ast
from collections import deque

from celeriac.scanning.calls import TaskCall
from celeriac.scanning.names import Names
from celeriac.scanning.sources import Module, SourceLine
from celeriac.scanning.transactions import Moment, Transactions


class Reach:
    """The project's functions by who calls them, and in which transaction."""

    def __init__(self, modules: list[Module], names: Names, transactions: Transactions) -> None:
        self._names = names
        self._callers: dict[str, list[str]] = {}
        self._open: dict[str, SourceLine] = {}
        for module in modules:
            for node in module.nodes:
                if isinstance(node, ast.Call):
                    self._note(module, node, transactions)
        self._by_last_part: dict[str, list[str]] = {}
        for caller, called in self._callers.items():
            self._by_last_part.setdefault(_any_named(caller), []).extend(called)
        self._spread()

    def opened_by(self, call: TaskCall) -> SourceLine | None:
        """Return the place that calls the function around a call inside a transaction."""
        name = _function_name(call.module, call.node)
        return self._open.get(name) or self._open.get(_any_named(name))

    def _note(self, module: Module, node: ast.Call, transactions: Transactions) -> None:
        called = self._called(module, node)
        if not called:
            return
        moment = transactions.moment(module, node)
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

    def _spread(self) -> None:
        """Follow the calls on from each function that is called inside a transaction."""
        waiting = deque(self._open)
        while waiting:
            name = waiting.popleft()
            for called in self._calls_of(name):
                if called not in self._open:
                    self._open[called] = self._open[name]
                    waiting.append(called)


def _any_named(name: str) -> str:
    return f"?.{name.rpartition('.')[2]}"


def _function_name(module: Module, node: ast.AST) -> str:
    """Return the full name of the outermost function that a node stands in, its class included."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    around = [each.name for each in module.parents(node) if isinstance(each, kinds)]
    return ".".join([module.name, *reversed(around)])
