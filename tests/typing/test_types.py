"""Type checkers refuse a wrong call before it runs. mypy reads these files in `make lint`."""

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from celeriac.jobs import registry
from tests.support.declarations import fresh  # noqa: F401 a fixture
from tests.support.servers import ROOT

HERE = Path(__file__).parent


@pytest.fixture
def declared(fresh, monkeypatch):  # noqa: F811 the fixture
    """Declare the kinds of door.py, and no others."""
    monkeypatch.setattr(registry, "_kinds", {})
    monkeypatch.setattr(registry, "_aliases", {})
    monkeypatch.delitem(sys.modules, "tests.typing.public_names", raising=False)
    return importlib.import_module("tests.typing.public_names")


def test_pyright_refuses_wrong_arguments_and_infers_results(tmp_path):
    """In its strict mode, of functions and of kinds as text; no comment is one too many."""
    wished = {
        "include": [str(HERE)],
        "exclude": [str(HERE / "test_types.py")],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(wished))
    command = [sys.executable, "-m", "basedpyright", "--project", tmp_path]
    command += ["--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = json.loads(done.stdout)
    assert found["generalDiagnostics"] == []
    assert found["summary"]["filesAnalyzed"] >= 3


def test_stubs_are_what_the_kinds_say(declared):
    """What type checkers read in kinds.py is what the command writes."""
    call_command("celeriac", "stubs", HERE / "kinds.py", "--check")


def test_stubs_of_changed_kinds_are_refused(declared, tmp_path, capsys):
    """By --check; without it the file is written, and without a file the text is printed."""
    file = tmp_path / "kinds.py"
    with pytest.raises(CommandError, match="is not what the kinds say"):
        call_command("celeriac", "stubs", file, "--check")
    call_command("celeriac", "stubs", file)
    call_command("celeriac", "stubs")
    assert file.read_text() == capsys.readouterr().out
    registry.forget_kind("typing.bound")
    with pytest.raises(CommandError, match="is not what the kinds say"):
        call_command("celeriac", "stubs", file, "--check")


def test_stubs_of_every_kind_of_the_platform_load(tmp_path):
    """Each type that a handler's signature bears is named so that it can be imported."""
    file = tmp_path / "kinds.py"
    call_command("celeriac", "stubs", file)
    names = {}
    exec(compile(file.read_text(), str(file), "exec"), names)  # noqa: S102 our own text
    assert names["enqueue"] is importlib.import_module("celeriac").enqueue
    assert names["PaymentsRefund"].__required_keys__ == {"payment_id", "operation_id"}


def test_stubs_of_odd_names_load(declared, tmp_path):
    """Of names that are no identifiers, that are as good as another's, or the module's own."""
    names = ("1st", "odd.same", "Odd.Same", "odd_same", "any", "none", 'a"quote', "job.handle")
    for name in names:
        registry.declare_kind(replace(registry.find_kind("typing.add"), name=name, aliases=()))
    file = tmp_path / "kinds.py"
    call_command("celeriac", "stubs", file)
    made = {}
    exec(compile(file.read_text(), str(file), "exec"), made)  # noqa: S102 our own text
    classes = {"Kind1st", "OddSame", "OddSame_2", "OddSame_3", "Any_2", "KindNone", "JobHandle_2"}
    assert classes <= set(made)
