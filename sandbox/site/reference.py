"""Each public name of the library in docs/reference.md, from where it stands.

MkDocs loads this file by its path, in an environment of its own.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_DOOR = re.compile(r"^::: (celeriac(?:\.celery)?)$", re.MULTILINE)
_COMMENT = re.compile(r"(?:^#:.*\n)+(?=NAME\b)", re.MULTILINE)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Write out the names of a door in the place of its line."""
    if page.file.src_uri != "reference.md":
        return markdown
    return _DOOR.sub(lambda door: "\n".join(_entries(door[1])), markdown)


def _entries(door: str) -> Iterator[str]:
    """Yield the entry of each name; what another library defines is named at the end."""
    others = []
    names = public_names(_file(door))
    for name in sorted(names, key=str.lower):
        module = _home(names[name], name)
        module_file = _file(f"{module}.{name}")
        if module_file.exists() or _defines(_file(module), name):
            yield f"::: {module}.{name}\n"
        elif said := _said(_file(module), name):
            yield f"### `{name}`\n\n{said}\n"
        else:
            others.append(f"`{name}`")
    if others:
        yield f"Also: {', '.join(others)}.\n"


def public_names(file: Path) -> dict[str, str]:
    """Return what a door imports for type checkers: each name and its module."""
    found: dict[str, str] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.body:
                if isinstance(each, ast.ImportFrom) and each.module:
                    found |= {alias.name: each.module for alias in each.names}
    return found


def _home(module: str, name: str) -> str:
    """Return the module that defines a name which a package may only pass on."""
    for node in ast.parse(_file(module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            inside = (node.module or "").startswith("celeriac.")
            return _home(node.module or "", name) if inside else module
    return module


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _defines(file: Path, name: str) -> bool:
    """Say whether a module has a class or a function of that name."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return any(isinstance(node, kinds) and node.name == name for node in body)


def _said(file: Path, name: str) -> str:
    """Return the comment above a value, which is what is said of it."""
    pattern = _COMMENT.pattern.replace("NAME", re.escape(name))
    found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    return (
        " ".join(line.removeprefix("#:").strip() for line in found[0].splitlines()) if found else ""
    )
