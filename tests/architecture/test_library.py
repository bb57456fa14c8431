"""The library: its door, and whom it knows."""

import ast
import importlib
import re

import celeriac
import celeriac.celery
from tests.architecture.source import ROOT, nodes, python_files, tracked_files

OURS = re.compile(r"(?<![\w.])(?:apps|config|tasks)\.(?!py\b)[a-z]\w+")
LIBRARY = [path for path in python_files() if path.is_relative_to(ROOT / "celeriac")]


def typed_names(path):
    """Return what a module imports for type checkers: name -> where it stands."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.body:
                found |= {alias.asname: (each.module, alias.name) for alias in each.names}
    return found


def test_each_name_of_the_doors_is_what_type_checkers_think():
    """A name is written once: programs read what is imported for type checkers."""
    for door in (celeriac, celeriac.celery):
        typed = typed_names(ROOT / door.__name__.replace(".", "/") / "__init__.py")
        assert door.__all__ == sorted(typed)
        for name, (module, original) in typed.items():
            home = importlib.import_module(module)
            assert getattr(door, name) is getattr(home, original)
            assert door._HOMES[name] == module


def test_no_text_of_the_library_names_a_module_of_its_users():
    """Neither in code nor in what it says: another project has other names."""
    named = []
    for path in LIBRARY:
        for node in nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named += [(path.name, each) for each in OURS.findall(node.value)]
    assert named == []


def test_no_file_but_code_names_its_users():
    """Nor do templates, scripts in the database, styles or pages' programs."""
    files = [path for path in tracked_files() if path.is_relative_to(ROOT / "celeriac")]
    named = [
        (path.name, each)
        for path in files
        if path.suffix in (".html", ".lua", ".js", ".sql")
        for each in OURS.findall(path.read_text())
    ]
    assert named == []


#: Addresses, commands and origins of the rooms that stand above the flow of a job. Django's own
#: login page stands above nobody.
ABOVE = re.compile(r"admin:(?!login\b)\w+|\bmanage\.py (?:jobs|queues|breakers|schedules|doctor)\b")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
BELOW = ("core", "breakers", "jobs", "schedules", "django_tasks", "celery", "monitoring")


def test_who_runs_jobs_names_no_page_and_no_command_of_who_shows_them():
    """An arrow upward that is written as text is one all the same."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {said}"
        for path in LIBRARY
        if path.relative_to(ROOT).parts[1] in BELOW
        for node in ast.walk(without_docstrings(ast.parse(path.read_text())))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for said in ABOVE.findall(node.value)
    ]
    assert found == []


def without_docstrings(tree):
    """Take the docstrings out: they may say where to look."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            del node.body[0]
    return tree


def test_the_shop_uses_the_door_alone():
    """What it needs and the door lacks is a missing door."""
    allowed = {"celeriac", "celeriac.testing", "celeriac.celery"}
    past = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.module}"
        for path in python_files()
        if path.relative_to(ROOT).parts[0] in ("apps", "tasks")
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").split(".")[0] == "celeriac"
        and node.module not in allowed
    ]
    assert past == []


def test_where_a_change_goes_is_there():
    """CONTRIBUTING.md has twenty plausible changes, each with its files."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE)[1:]
    assert len(rows) >= 20
    paths = [path for _, files in rows for path in re.findall(r"`([\w.]+/[\w/.]+)`", files)]
    assert [path for path in paths if not (ROOT / path).exists()] == []
