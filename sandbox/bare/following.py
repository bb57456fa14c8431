"""Following imports: what goes along takes along what it imports of these folders."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandbox.platform import ROOT

_FOLLOWED = ("sandbox", "tests")


def follow_imports(files: Iterable[Path]) -> list[Path]:
    """Return the files, and every module of the followed folders that they import, by name."""
    found, waiting = set(files), list(files)
    while waiting:
        file = waiting.pop()
        if file.suffix == ".py":
            new = set(_imported(file)) - found
            found |= new
            waiting += new
    return sorted(found)


def _imported(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            path = ROOT.joinpath(*name.split("."))
            if name.partition(".")[0] in _FOLLOWED:
                modules = (path.with_suffix(".py"), path / "__init__.py")
                yield from (module for module in modules if module.exists())
