"""Which variables of the environment the platform reads: from its code, not from a list."""

import ast
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from pathlib import Path

import celeriac
from celeriac.settings import Settings
from sandbox.procfile import ROOT

#: What is read by a table: each key of CELERIAC, with its variable.
_VARIABLES: dict[str, str] = next(
    ast.literal_eval(node.value)
    for node in ast.parse(
        (ROOT / "config" / "settings" / "parts" / "celeriac.py").read_text(encoding="utf-8")
    ).body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "VARIABLES"
)
_READERS = {"str", "bool", "int", "float", "list", "word"}
#: The library may lie in a clone, or be installed.
_LIBRARY = Path(celeriac.__file__).parent
_FILES = (ROOT / "config", _LIBRARY / "core", _LIBRARY / "settings.py", ROOT / "flowerconfig.py")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, what it is when unset (as code), and the module that reads it."""

    name: str
    default: str
    file: str


def variables() -> set[str]:
    """Return the names of all variables that the platform's settings read."""
    return {each.name for each in reads()}


def reads() -> Iterator[Variable]:
    """Yield each reading of a variable through `env` (celeriac/core/environment.py)."""
    for path in _FILES:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield from _reads_of(file)
    for key, name in _VARIABLES.items():
        yield Variable(name, _default_of(key), "config/settings/parts/celeriac.py")


def _default_of(key: str) -> str:
    """Return the default of a key of CELERIAC, as code."""
    default = Settings.__dataclass_fields__[key]
    if default.default_factory is not MISSING:
        code = default.default_factory.__name__
        return "[]" if code == "list" else f"{code}()"
    return repr(default.default)


def _reads_of(file: Path) -> Iterator[Variable]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env"), attr=reader),
                args=[ast.Constant(value=str(name)), *_],
                keywords=keywords,
            ) if reader in _READERS:
                default = next((k.value for k in keywords if k.arg == "default"), None)
                code = "" if default is None else ast.unparse(default)
                home = _LIBRARY.parent if file.is_relative_to(_LIBRARY) else ROOT
                yield Variable(name, code, str(file.relative_to(home)))
