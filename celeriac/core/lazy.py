"""Public names of a package, each imported when it is first asked for."""

import dis
import sys
from importlib import import_module
from typing import Any


def typed_imports(package: str) -> dict[str, str]:
    """Return what a package imports for type checkers alone: each name, and where it stands.

    The package is being imported: its code has the imports of its block `if TYPE_CHECKING:`,
    which do not run, and it has them where its source was not installed, too.
    """
    loader: Any = sys.modules[package].__loader__
    root, home, homes = package.partition(".")[0], "", {}
    for step in dis.get_instructions(loader.get_code(package)):
        if step.opname == "IMPORT_NAME":
            home = step.argval
        elif step.opname == "IMPORT_FROM" and home.startswith(f"{root}.") and home != __name__:
            homes[step.argval] = home
    return homes


def load_name(package: str, homes: dict[str, str], name: str) -> Any:
    """Return a public name of a package from where it stands; AttributeError for any other."""
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    found = getattr(import_module(homes[name]), name)
    setattr(sys.modules[package], name, found)
    return found
