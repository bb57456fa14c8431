"""Which code runs in a transaction, and which only after it committed."""

import ast
from collections.abc import Iterator
from enum import Enum

from celeriac.scanning.names import Names
from celeriac.scanning.sources import Module

_ATOMIC = {"django.db.transaction.atomic", "django.db.transaction.Atomic"}
_ON_COMMIT = {"django.db.transaction.on_commit"}
_MANAGERS = {"contextlib.contextmanager", "contextlib.asynccontextmanager"}
_RECEIVER = "django.dispatch.receiver"
#: What it connects is called when all migrations are through.
_AFTER_MIGRATIONS = "django.db.models.signals.post_migrate.connect"
_SENT_IN_SAVES = ("post_save", "pre_save", "post_delete", "pre_delete", "m2m_changed")
_SAVES = ("save", "delete", "save_model", "perform_create", "perform_update")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Moment(Enum):
    """When a call happens, seen from the transaction around it."""

    PLAIN = "outside of any transaction that the scan sees"
    INSIDE = "inside a transaction"
    OTHER_DATABASE = "inside a transaction of another database"
    AFTER = "after the commit"
    IN_SAVE = "in a save, which may be part of a transaction"
    DEFERRED = "in a function that others call"


class Transactions:
    """Knows a project's context managers that open transactions, and its wrappers of on_commit."""

    def __init__(self, modules: list[Module], names: Names) -> None:
        self._names = names
        self._atomic = set(_ATOMIC)
        self._on_commit = set(_ON_COMMIT)
        #: Functions that Django's signals of models call, by their full names.
        self._receivers = {name for module in modules for name in self._connected(module)}
        for _ in range(3):  # what is built of what was found before
            for module in modules:
                for name, node in names.defined(module).items():
                    self._learn(module, f"{module.name}.{name}", node)

    def is_on_commit(self, name: str) -> bool:
        """Tell whether a function, by its full name, calls what it is given after the commit."""
        return name in self._on_commit

    def moment(self, module: Module, node: ast.AST) -> Moment:
        """Return when the code of a node runs."""
        before = node
        for parent in module.parents(node):
            if (
                isinstance(parent, ast.Call)
                and before is not parent.func
                and (self._names.full_name(module, parent.func) in self._on_commit)
            ):
                return Moment.AFTER
            if isinstance(parent, ast.With | ast.AsyncWith) and before in parent.body:
                for item in parent.items:
                    if (moment := self._opens(module, item.context_expr)) is not None:
                        return moment
            if isinstance(parent, Function):
                return self._of_function(module, parent)
            if isinstance(parent, ast.Lambda) and not self._is_registered(module, parent):
                return Moment.DEFERRED
            before = parent
        return Moment.PLAIN

    def _of_function(self, module: Module, node: Function) -> Moment:
        for decorator in node.decorator_list:
            if (moment := self._opens(module, decorator)) is not None:
                return moment
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = self._names.full_name(module, called)
            if name in self._on_commit:
                return Moment.AFTER
            if name == _RECEIVER and any(each in ast.unparse(decorator) for each in _SENT_IN_SAVES):
                return Moment.IN_SAVE
        if f"{module.name}.{node.name}" in self._receivers:
            return Moment.IN_SAVE
        outer = next(module.parents(node), None)
        if isinstance(outer, ast.ClassDef):
            serves = (
                any(each.arg == "request" for each in node.args.args) and node.name != "save_model"
            )
            return Moment.IN_SAVE if node.name in _SAVES and not serves else Moment.PLAIN
        around = module.function_of(node)
        if around is None:
            return Moment.PLAIN
        return self._where_used(module, around, node)

    def _connected(self, module: Module) -> Iterator[str]:
        """Iterate over what a module connects to signals of models."""
        for node in module.nodes:
            if isinstance(node, ast.Call) and node.args:
                name = self._names.full_name(module, node.func)
                if name.startswith("django.db.models.signals.") and name.endswith(".connect"):
                    yield self._names.full_name(module, node.args[0])

    def _where_used(self, module: Module, around: Function, inner: Function) -> Moment:
        """Return when a function within another one runs: where it is called, or given to be."""
        for call in ast.walk(around):
            if not isinstance(call, ast.Call) or inner in module.parents(call):
                continue
            if isinstance(call.func, ast.Name) and call.func.id == inner.name:
                return self.moment(module, call)
            given = {
                each.id for arg in call.args for each in ast.walk(arg) if isinstance(each, ast.Name)
            }
            name = self._names.full_name(module, call.func)
            if inner.name in given and name in self._on_commit:
                return Moment.AFTER
            if inner.name in given and name == _AFTER_MIGRATIONS:
                return Moment.PLAIN
        return Moment.DEFERRED

    def _is_registered(self, module: Module, node: ast.Lambda) -> bool:
        """Tell whether a lambda is an argument of on_commit."""
        parent = next(module.parents(node), None)
        return (
            isinstance(parent, ast.Call)
            and self._names.full_name(module, parent.func) in self._on_commit
        )

    def _opens(self, module: Module, node: ast.expr) -> Moment | None:
        """Return which transaction an expression opens, if it opens one."""
        called = node.func if isinstance(node, ast.Call) else node
        if self._names.full_name(module, called) not in self._atomic:
            return None
        if isinstance(node, ast.Call):
            using = [each.value for each in node.keywords if each.arg == "using"]
            for each in using:
                value = self._names.value(module, each)
                if value.known and value.worth not in ("default", None):
                    return Moment.OTHER_DATABASE
        return Moment.INSIDE

    def _learn(self, module: Module, name: str, node: ast.AST) -> None:
        if isinstance(node, ast.ClassDef):
            if _ATOMIC & set(self._names.bases(module, node)):
                self._atomic.add(name)
        elif isinstance(node, Function):
            decorators = {self._names.full_name(module, each) for each in node.decorator_list}
            if decorators & _MANAGERS and self._has_transaction(module, node):
                self._atomic.add(name)
            elif self._hands_on(module, node):
                self._on_commit.add(name)

    def _has_transaction(self, module: Module, node: Function) -> bool:
        return any(
            self._opens(module, item.context_expr) is not None
            for each in ast.walk(node)
            if isinstance(each, ast.With)
            for item in each.items
        )

    def _hands_on(self, module: Module, node: Function) -> bool:
        """Tell whether a function gives a parameter of its own to on_commit."""
        own = {each.arg for each in (*node.args.args, *node.args.posonlyargs)}
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and (
                self._names.full_name(module, call.func) in self._on_commit
            ):
                used = {
                    each.id
                    for given in call.args
                    for each in ast.walk(given)
                    if isinstance(each, ast.Name)
                }
                if own & used and len(node.body) < 6:
                    return True
        return False
