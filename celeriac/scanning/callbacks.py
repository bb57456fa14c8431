"""Who calls a function that nobody calls by its name: signals, migrations, holders of values."""

import ast
from collections.abc import Iterator

from celeriac.scanning.names import Names
from celeriac.scanning.sources import Module, SourceLine
from celeriac.scanning.transactions import Transactions

_SIGNALS = {"django.dispatch.Signal", "django.dispatch.dispatcher.Signal"}
_RECEIVER = "django.dispatch.receiver"
_SENDS = ("send", "send_robust", "asend", "asend_robust")
_RUN_PYTHON = "django.db.migrations.RunPython"
#: What takes a function and calls it outside of any transaction of the project's.
_SERVES = ("django.urls.", "django.conf.urls.", "django.core.checks.", "functools.wraps")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Callbacks:
    """The receivers of a project's own signals, its migrations' functions, and values."""

    def __init__(self, modules: list[Module], names: Names, transactions: Transactions) -> None:
        self._names = names
        self._transactions = transactions
        #: Full names of functions, by the full name of a signal of the project's own.
        self._receivers: dict[str, list[str]] = {}
        #: Functions that a migration runs in its transaction, and where it says so.
        self.migrating: dict[str, SourceLine] = {}
        #: Functions that are handed on as values, and where.
        self.handed_on: dict[str, SourceLine] = {}
        for module in modules:
            for node in module.nodes:
                self._read(module, node)

    def receivers(self, module: Module, node: ast.Call) -> list[str]:
        """Return whom a call of a signal's `send` calls."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in _SENDS:
            return self._receivers.get(self._names.full_name(module, node.func.value), [])
        return []

    def _read(self, module: Module, node: ast.AST) -> None:
        if isinstance(node, Function):
            for decorator in node.decorator_list:
                for signal in self._signals_of(module, decorator):
                    self._receive(signal, f"{module.name}.{node.name}")
        elif isinstance(node, ast.Call):
            self._read_call(module, node)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            self._read_value(module, node)

    def _read_call(self, module: Module, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr == "connect" and node.args:
            signal = self._names.full_name(module, node.func.value)
            if self._is_own_signal(signal):
                self._receive(signal, self._names.full_name(module, node.args[0]))
        elif self._names.full_name(module, node.func) == _RUN_PYTHON and _is_atomic(module, node):
            for given in [*node.args, *(each.value for each in node.keywords)]:
                if name := self._function(module, given):
                    self.migrating.setdefault(name, module.line_of(node))

    def _read_value(self, module: Module, node: ast.Name | ast.Attribute) -> None:
        parent = next(module.parents(node), None)
        if isinstance(parent, ast.Attribute) or module.is_local(node):
            return
        if isinstance(parent, ast.Call) and parent.func is node:
            return
        if isinstance(parent, Function | ast.ClassDef) and node in parent.decorator_list:
            return
        name = self._function(module, node)
        if name and not any(self._is_known(module, each) for each in module.parents(node)):
            self.handed_on.setdefault(name, module.line_of(node))

    def _is_known(self, module: Module, node: ast.AST) -> bool:
        """Tell whether a call takes functions and is read elsewhere, or opens no transaction."""
        if not isinstance(node, ast.Call):
            return False
        name = self._names.full_name(module, node.func)
        return (
            self._transactions.is_on_commit(name)
            or name == _RUN_PYTHON
            or name.startswith(_SERVES)
            or name.endswith(".connect")
        )

    def _function(self, module: Module, node: ast.AST) -> str:
        """Return the project's function that an expression names; "" for others."""
        name = self._names.full_name(module, node)
        found = self._names.definition(name) if name else None
        return name if found is not None and isinstance(found[1], Function) else ""

    def _signals_of(self, module: Module, decorator: ast.expr) -> Iterator[str]:
        """Iterate over the own signals that `@receiver` names, one or a list of them."""
        if not isinstance(decorator, ast.Call) or not decorator.args:
            return
        if self._names.full_name(module, decorator.func) != _RECEIVER:
            return
        first = decorator.args[0]
        for each in first.elts if isinstance(first, ast.List | ast.Tuple) else [first]:
            name = self._names.full_name(module, each)
            if self._is_own_signal(name):
                yield name

    def _is_own_signal(self, name: str) -> bool:
        found = self._names.definition(name)
        return (
            found is not None
            and isinstance(found[1], ast.Call)
            and self._names.full_name(found[0], found[1].func) in _SIGNALS
        )

    def _receive(self, signal: str, function: str) -> None:
        self._receivers.setdefault(signal, []).append(function)


def _is_atomic(module: Module, node: ast.AST) -> bool:
    """Tell whether the migration around a node runs in a transaction: it says so if it does not."""
    around = next((each for each in module.parents(node) if isinstance(each, ast.ClassDef)), None)
    return around is None or not any(
        isinstance(each, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "atomic" for target in each.targets)
        and isinstance(each.value, ast.Constant)
        and each.value.value is False
        for each in around.body
    )
