"""The Python files of a project: which are read, what their modules are called."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

#: Folders that hold no code of the project's own.
_SKIPPED = {
    "node_modules",
    "site-packages",
    "__pycache__",
    "venv",
    "env",
    "dist",
    "build",
}  # a folder that begins with a dot is skipped as well
_TESTS = re.compile(
    r"(^|/)(tests?|testing|e2e-tests)/|(^|/)(test_[^/]*|[^/]*_tests?|tests?|conftest)\.py$"
)


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of a file, as it is shown."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass
class Module:
    """A file of Python and its tree."""

    name: str
    file: str
    tree: ast.Module
    is_package: bool = False
    text: str = ""
    _parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    _bound: dict[ast.AST, set[str]] = field(default_factory=dict)

    def line_of(self, node: ast.AST) -> SourceLine:
        """Return where a node stands."""
        return SourceLine(self.file, getattr(node, "lineno", 1))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree, each with its parent noted."""
        for node in ast.walk(self.tree):
            for child in ast.iter_child_nodes(node):
                self._parents[child] = node
        return list(ast.walk(self.tree))

    def parents(self, node: ast.AST) -> Iterator[ast.AST]:
        """Iterate over what a node stands in, from the inside."""
        _ = self.nodes
        while (parent := self._parents.get(node)) is not None:
            yield parent
            node = parent

    def is_local(self, node: ast.AST) -> bool:
        """Tell whether a name is a parameter or a variable of a function around it."""
        if not isinstance(node, ast.Name):
            return False
        functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        around = (each for each in self.parents(node) if isinstance(each, functions))
        return any(node.id in self._bound_in(each) for each in around)

    def _bound_in(self, function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
        if function not in self._bound:
            names = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
            names |= {
                each.id
                for each in ast.walk(function)
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
            }
            self._bound[function] = names
        return self._bound[function]

    def function_of(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """Return the innermost function that a node stands in."""
        functions = ast.FunctionDef | ast.AsyncFunctionDef
        return next((each for each in self.parents(node) if isinstance(each, functions)), None)


class Sources:
    """The modules of a project below a folder, parsed when they are asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unread: dict[str, str] = {}
        files = [path for path in _files(root) if path.suffix == ".py"]
        self.files = {str(path.relative_to(root)): path for path in files}
        self._tops = _import_roots(root, files)
        self._names = {self._module_name(path): name for name, path in self.files.items()}
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        """Return a module of the project by its dotted name; None where there is none."""
        if name not in self._modules:
            file = self._names.get(name)
            self._modules[name] = self._parse(name, file) if file else None
        return self._modules[name]

    def candidates(self) -> Iterator[Module]:
        """Iterate over the project's modules, tests aside.

        Those that say nothing of tasks too: a call may lead through them.
        """
        for name, file in self._names.items():
            if not is_test(file) and (module := self.module(name)) is not None:
                yield module

    def _parse(self, name: str, file: str) -> Module | None:
        text = _text(self.files[file])
        try:
            tree = ast.parse(text, filename=file)
        except (SyntaxError, ValueError, RecursionError) as error:
            self.unread[file] = f"{type(error).__name__}: {error}"
            return None
        return Module(name, file, tree, is_package=file.endswith("__init__.py"), text=text)

    def _module_name(self, path: Path) -> str:
        top = next(top for top in self._tops if path.is_relative_to(top))
        package = path.parent
        while (package / "__init__.py").exists() and package != self.root:
            package = package.parent
        top = (
            package
            if (path.parent / "__init__.py").exists() and top not in (package, *package.parents)
            else min(top, package, key=lambda each: len(each.parts))
        )
        parts = path.relative_to(top).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_test(file: str) -> bool:
    """Tell whether a file, by its path within the project, is a test's."""
    return bool(_TESTS.search(file))


def texts(root: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Iterate over the files whose path fits, as path and text; large ones are passed by."""
    for path in _files(root):
        name = str(path.relative_to(root))
        if wanted.search(name) and path.stat().st_size < 1_000_000:
            yield name, _text(path)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig", errors="replace")


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.is_symlink():
            continue
        if path.is_file():
            yield path
        elif path.is_dir() and not (path.name in _SKIPPED or path.name.startswith(".")):
            yield from _files(path)


def _import_roots(root: Path, files: list[Path]) -> list[Path]:
    """Return the folders that imports start from, the deepest first.

    They are those of each manage.py, and `src` folders, unless they are packages themselves.
    """
    found = {path.parent for path in files if path.name == "manage.py"}
    found |= {path for file in files for path in file.parents if path.name == "src"}
    roots = {path for path in found if not (path / "__init__.py").exists()}
    inside = {path for path in roots if path.is_relative_to(root)}
    return sorted({*inside, root}, key=lambda path: -len(path.parts))
