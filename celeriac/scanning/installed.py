"""Where a project lists its apps: the literal that an entry can be added to."""

import ast
from dataclasses import dataclass

from celeriac.scanning.names import Names
from celeriac.scanning.sources import Module


class NotFoundError(Exception):
    """There is no list that an entry can be added to; the words say what to write where."""


@dataclass(frozen=True, slots=True)
class InstalledApps:
    """A list of apps in a settings file, and how its entries are written."""

    module: Module
    #: The statement that assigns INSTALLED_APPS.
    statement: ast.stmt
    names: frozenset[str]
    #: The last line of the list that holds an entry, and how entries are indented and quoted.
    last_line: int
    indent: str
    quote: str
    #: Line and text of the last entry, where it has no comma behind it.
    comma_after: tuple[int, str] | None

    @property
    def file(self) -> str:
        """The settings file."""
        return self.module.file


def find_installed_apps(modules: list[Module], names: Names, settings: str = "") -> InstalledApps:
    """Return the list of apps of the settings that others build on.

    Raises:
        NotFoundError: there is none, there are several, or it is no list that can be added to.
    """
    found = [
        (module, node)
        for module in modules
        if settings in ("", module.file)
        for node in module.tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(each, ast.Name) and each.id == "INSTALLED_APPS" for each in node.targets)
        and not _extends(node.value)
    ]
    if not found:
        raise NotFoundError(
            f"{settings or 'No settings file'} lists no INSTALLED_APPS at its top: add "
            '"celeriac.core", "celeriac.breakers", "celeriac.jobs" and "celeriac.builtin" to it.'
        )
    files = sorted({module.file for module, _ in found})
    if len(files) > 1:
        raise NotFoundError(
            f"INSTALLED_APPS stands in {', '.join(files)}: name one with --settings FILE."
        )
    module, node = found[-1]
    lists = list(_literals(module, node.value, names))
    if not lists:
        raise NotFoundError(
            f"{module.line_of(node)}: INSTALLED_APPS is no list of names: add "
            '"celeriac.core", "celeriac.breakers", "celeriac.jobs" and "celeriac.builtin" to it.'
        )
    known = frozenset(
        each.value
        for one in lists
        for each in one.elts
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )
    # Above the project's own apps where there are several lists.
    return _described(module, node, known, lists[max(0, len(lists) - 2)])


def _extends(node: ast.expr) -> bool:
    """Tell whether a list begins with another file's: `[*INSTALLED_APPS, "debug_toolbar"]`."""
    return any(
        isinstance(each, ast.Name) and each.id == "INSTALLED_APPS" for each in ast.walk(node)
    )


def _literals(module: Module, node: ast.expr, names: Names) -> list[ast.List | ast.Tuple]:
    """Return the literals that an expression is built of, with those of its names."""
    if isinstance(node, ast.List | ast.Tuple):
        starred = [each.value for each in node.elts if isinstance(each, ast.Starred)]
        inner = [one for each in starred for one in _literals(module, each, names)]
        return inner if inner and len(starred) == len(node.elts) else [node]
    if isinstance(node, ast.BinOp):
        return [*_literals(module, node.left, names), *_literals(module, node.right, names)]
    if isinstance(node, ast.Name):
        value = names.defined(module).get(node.id)
        return _literals(module, value, names) if isinstance(value, ast.List | ast.Tuple) else []
    return []


def _described(
    module: Module, statement: ast.stmt, known: frozenset[str], found: ast.List | ast.Tuple
) -> InstalledApps:
    lines = module.text.splitlines()
    entries = [each for each in found.elts if each.lineno > found.lineno]
    if not entries or (found.end_lineno or 0) <= (entries[-1].end_lineno or 0):
        raise NotFoundError(
            f"{module.line_of(found)}: write one app a line there, and the closing bracket on a "
            "line of its own."
        )
    last = entries[-1]
    line = lines[(last.end_lineno or last.lineno) - 1]
    rest = line[last.end_col_offset or 0 :].lstrip()
    return InstalledApps(
        module,
        statement,
        known,
        last.end_lineno or last.lineno,
        line[: len(line) - len(line.lstrip())],
        "'" if line.lstrip().startswith("'") else '"',
        None
        if rest.startswith(",")
        else (last.lineno, line[last.col_offset : last.end_col_offset]),
    )
