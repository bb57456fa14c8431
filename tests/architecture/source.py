"""The repository's own files, for the tests of its rules."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@cache
def tracked_files():
    """Return every text file that git tracks or would track; it is asked once."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in sorted(set(listed.splitlines()))]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]


def python_files():
    """Return every Python file but migrations."""
    return [p for p in tracked_files() if p.suffix == ".py" and "migrations" not in p.parts]


@cache
def nodes_of(text):
    """Return all that a file's text consists of, parsed once for a module's tests (conftest.py)."""
    return tuple(ast.walk(ast.parse(text)))


def nodes(path):
    """Return all that a file consists of."""
    return nodes_of(path.read_text(encoding="utf-8"))


def functions(path):
    """Yield every function of a file with its length in lines, decorators aside."""
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


def imports(path):
    """Yield the full name of every module that a file imports."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def import_graph(*tops):
    """Return module -> the modules that it imports, anywhere in its file, for these packages."""
    files = {_module(p): p for p in python_files() if p.relative_to(ROOT).parts[0] in tops}
    return {
        module: {
            each
            for name in imported_names(path)
            if (each := _home(name, files)) not in ("", module)
        }
        for module, path in files.items()
    }


def _module(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(path):
    """Yield what a file imports, each name with its module."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _home(name, files):
    """Return the module that an imported name comes from: it may be one itself."""
    return next((each for each in (name, name.rpartition(".")[0]) if each in files), "")


def private_uses(path, tops):
    """Yield the private names of other files of ours that a file imports, or takes of a module."""
    modules = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in tops:
            modules |= {alias.asname or alias.name for alias in node.names}
            yield from (alias.name for alias in node.names if _is_private(alias.name))
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            owner = ast.unparse(node.value)
            yield from [f"{owner}.{node.attr}"] if owner in modules else []


def _is_private(name):
    return name.startswith("_") and not name.startswith("__") and name != "_meta"
