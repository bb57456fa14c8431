"""Public names of a package, each imported when it is first asked for."""

import ast
import sys
from importlib import import_module
from typing import Any


def typed_imports(package: str) -> dict[str, str]:
    """Return what a package imports for type checkers alone: each name, and where it stands.

    The package is being imported: its own text says so, in its block `if TYPE_CHECKING:`.
    """
    loader: Any = sys.modules[package].__loader__
    body = ast.parse(loader.get_source(package)).body
    blocks = (node for node in body if isinstance(node, ast.If))
    imports = (node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom))
    return {each.name: str(node.module) for node in imports for each in node.names}


def load_name(package: str, homes: dict[str, str], name: str) -> Any:
    """Return a public name of a package from where it stands; AttributeError for any other."""
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    found = getattr(import_module(homes[name]), name)
    setattr(sys.modules[package], name, found)
    return found
