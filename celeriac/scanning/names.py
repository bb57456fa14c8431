"""What a name of a module stands for, across the modules of a project."""

import ast
from collections.abc import Iterator

from celeriac.scanning.constants import Value, evaluate
from celeriac.scanning.sources import Module, Sources

_SETTINGS = ("django.conf.settings.", "django.conf.settings")
_DEEPEST = 12

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Names:
    """Resolves expressions to full names: `app.task` to `shop.celery.app.task`."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._imported: dict[str, dict[str, str]] = {}
        self._stars: dict[str, list[str]] = {}
        self._canonical: dict[str, str] = {}
        self._defined: dict[str, dict[str, ast.AST]] = {}
        #: Names that are assigned more than once: which holds, only a running program knows.
        self._ambiguous: set[str] = set()
        #: The project's settings by name, filled by who reads them.
        self.settings: dict[str, Value] = {}

    def full_name(self, module: Module, node: ast.AST) -> str:
        """Return what a name or a chain of attributes stands for; "" for other expressions."""
        chain = _chain(node)
        if not chain:
            return ""
        first, *rest = chain
        target = self._imports(module).get(first)
        if target is None:
            target = f"{module.name}.{first}" if first in self.defined(module) else ""
            target = target or self._from_star(module, first) or first
        return self.canonical(".".join([target, *rest]))

    def canonical(self, name: str) -> str:
        """Return where a full name was defined: imports of other modules are followed."""
        if name not in self._canonical:
            self._canonical[name] = self._follow(name, 0)
        return self._canonical[name]

    def _follow(self, name: str, depth: int) -> str:
        module, rest = self._split(name)
        if module is None or not rest or depth > _DEEPEST:
            return name
        if rest[0] in self.defined(module):
            return name
        target = self._imports(module).get(rest[0]) or self._from_star(module, rest[0])
        if target is None:
            return name
        return self._follow(".".join([target, *rest[1:]]), depth + 1)

    def definition(self, name: str) -> tuple[Module, ast.AST] | None:
        """Return what a full name defines at the top of a module of the project, and where."""
        module, rest = self._split(name)
        if module is None or not rest:
            return None
        node = self.defined(module).get(rest[0])
        for part in rest[1:]:
            node = _member(node, part)
        return None if node is None else (module, node)

    def defined(self, module: Module) -> dict[str, ast.AST]:
        """Return what the top of a module defines or assigns, conditions and `try` included."""
        if module.name not in self._defined:
            found: dict[str, ast.AST] = {}
            for name, node in _definitions(module.tree.body):
                if name in found:
                    self._ambiguous.add(f"{module.name}.{name}")
                found[name] = node
            self._defined[module.name] = found
        return self._defined[module.name]

    def value(self, module: Module, node: ast.expr, depth: int = 0) -> Value:
        """Return what an expression is worth; settings of the project are looked up."""

        def look_up(name: ast.expr) -> Value | None:
            full = self.full_name(module, name)
            if full.startswith(_SETTINGS[0]):
                return self.settings.get(full.removeprefix(_SETTINGS[0]))
            found = self.definition(full)
            if depth > _DEEPEST or found is None or not isinstance(found[1], ast.expr):
                return None
            if full in self._ambiguous:
                return None
            return self.value(found[0], found[1], depth + 1)

        return evaluate(node, look_up)

    def bases(self, module: Module, node: ast.ClassDef) -> Iterator[str]:
        """Iterate over the full names of all classes that a class comes from."""
        for base in node.bases:
            plain = base.value if isinstance(base, ast.Subscript) else base
            name = self.full_name(module, plain) or ast.unparse(base)
            yield name
            found = self.definition(name)
            if found is not None and isinstance(found[1], ast.ClassDef) and found[1] is not node:
                yield from self.bases(found[0], found[1])

    def _split(self, name: str) -> tuple[Module | None, list[str]]:
        """Return the project's module that a full name begins with, and the rest of the name."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            module = self.sources.module(".".join(parts[:length]))
            if module is not None:
                return module, parts[length:]
        return None, parts

    def _imports(self, module: Module) -> dict[str, str]:
        if module.name not in self._imported:
            found: dict[str, str] = {}
            self._stars[module.name] = []
            for node in module.nodes:
                if isinstance(node, ast.Import):
                    found |= _plain_import(node)
                elif isinstance(node, ast.ImportFrom):
                    origin = _origin(module, node)
                    for alias in node.names:
                        if alias.name == "*":
                            self._stars[module.name].append(origin)
                        else:
                            found[alias.asname or alias.name] = f"{origin}.{alias.name}"
            self._imported[module.name] = found
        return self._imported[module.name]

    def _from_star(self, module: Module, name: str) -> str | None:
        self._imports(module)
        for origin in self._stars[module.name]:
            other = self.sources.module(origin)
            if other is None or other is module:
                continue
            if name in self.defined(other) or name in self._imports(other):
                return f"{origin}.{name}"
        return None


def _chain(node: ast.AST) -> list[str]:
    """Return the parts of `a.b.c`; nothing for what is no such chain."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = _chain(node.value)
        return [*before, node.attr] if before else []
    return []


def _plain_import(node: ast.Import) -> dict[str, str]:
    return {
        alias.asname or alias.name.split(".")[0]: alias.name
        if alias.asname
        else alias.name.split(".")[0]
        for alias in node.names
    }


def _origin(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    kept = parts[: len(parts) - node.level + (1 if module.is_package else 0)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _definitions(body: list[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        if isinstance(node, Definition):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value
        else:
            for _, inner in ast.iter_fields(node):
                if isinstance(inner, list):
                    yield from _definitions([each for each in inner if isinstance(each, ast.stmt)])
                    for each in inner:
                        if isinstance(each, ast.ExceptHandler):
                            yield from _definitions(each.body)


def _member(node: ast.AST | None, name: str) -> ast.AST | None:
    """Return a class's own member of that name."""
    if not isinstance(node, ast.ClassDef):
        return None
    return dict(_definitions(node.body)).get(name)
