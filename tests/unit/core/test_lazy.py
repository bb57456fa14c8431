"""Public names that are imported when they are first asked for."""

import compileall
import sys
from importlib import import_module
from pathlib import Path

import pytest

_DOOR = """
from typing import TYPE_CHECKING

from celeriac.core.lazy import load_name, typed_imports

if TYPE_CHECKING:
    from {name}.room import (
        chair as chair,
        table as table,
    )

_HOMES = typed_imports(__name__)
__all__ = sorted(_HOMES)


def __getattr__(name):
    return load_name(__name__, _HOMES, name)
"""


@pytest.mark.parametrize("has_source", [True, False])
def test_a_door_finds_its_names_with_its_source_and_without(
    has_source: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of .pyc files alone, as some images are built, imports what is asked for."""
    name = f"door_{has_source}".lower()
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text(_DOOR.format(name=name))
    (package / "room.py").write_text("chair, table = 'a chair', 'a table'\n")
    if not has_source:
        assert compileall.compile_dir(package, quiet=1, legacy=True)
        for source in package.glob("*.py"):
            source.unlink()
    monkeypatch.syspath_prepend(tmp_path)

    door = import_module(name)

    assert door.__all__ == ["chair", "table"]
    assert f"{name}.room" not in sys.modules
    assert door.table == "a table"
    with pytest.raises(AttributeError, match="no attribute 'lamp'"):
        _ = door.lamp
