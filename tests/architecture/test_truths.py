"""What is true of the whole library is written in one module of it."""

import ast
import re
from functools import cache

from django.apps import apps

from celeriac.core import tables
from celeriac.jobs.operating.actions import ACTIONS
from tests.architecture.source import ROOT, python_files

CODE = [
    path
    for path in python_files()
    if path.relative_to(ROOT).parts[0]
    in ("celeriac", "apps", "tasks", "config", "sandbox", "bench")
    and "migrations" not in path.parts
]


@cache
def nodes(path):
    """Return all that a module consists of, read once for all of these tests."""
    return list(ast.walk(ast.parse(path.read_text())))


def texts(path):
    """Return the texts of a module, those within f-strings too."""
    return [
        (node.value, node.lineno)
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_a_table_is_named_in_one_module():
    """SQL takes the names of the library's tables from there."""
    names = {value for name, value in vars(tables).items() if name.isupper()}
    named = re.compile(rf"\b(?:{'|'.join(names)})\b")
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in CODE
        if path != ROOT / "celeriac" / "core" / "tables.py"
        for text, line in texts(path)
        if named.search(text)
    ]
    assert found == []


def test_each_constant_is_a_models_table():
    """A model that gets another table is found here."""
    there = {model._meta.db_table for model in apps.get_models()}
    assert {value for name, value in vars(tables).items() if name.isupper()} <= there


ACTIONS_HOME = ROOT / "celeriac" / "jobs" / "operating" / "actions.py"
LIBRARY = [path for path in CODE if path.relative_to(ROOT).parts[0] == "celeriac"]


def listed(path, *, mappings=True):
    """Yield each list, tuple, set (or mapping) of a module: where it stands, and its members."""
    for node in nodes(path):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            yield f"{path.relative_to(ROOT)}:{node.lineno}", node.elts
        elif mappings and isinstance(node, ast.Dict):
            yield f"{path.relative_to(ROOT)}:{node.lineno}", [key for key in node.keys if key]


def test_an_actions_permission_is_named_in_one_module():
    """Models, groups, pages and calls take it from the action's record."""
    named = re.compile(rf"\b(?:{'|'.join(action.codename for action in ACTIONS.values())})\b")
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in CODE
        if path != ACTIONS_HOME
        for text, line in texts(path)
        if named.search(text)
    ]
    assert found == []


def test_actions_are_listed_in_one_module():
    """What would have to be made longer for a new one; the door lists what Python may call."""
    names = ACTIONS.keys() - {"priority", "queue"}  # columns, too
    found = [
        place
        for path in LIBRARY
        if path not in (ACTIONS_HOME, ROOT / "celeriac" / "__init__.py")
        for place, members in listed(path)
        if len(names & {each.value for each in members if isinstance(each, ast.Constant)}) > 1
    ]
    assert found == []


def test_the_states_of_an_action_are_listed_in_one_module():
    """Neither in Python nor in SQL; queued and running are also simply all that have not ended."""
    states = [{str(state) for state in action.states} for action in ACTIONS.values()]
    states = [each for each in states if len(each) > 1 and each != {"queued", "running"}]
    assert len(states) == 2
    inline = re.compile(r"IN \(((?:'\w+'(?:, )?)+)\)")
    found = [
        place
        for path in LIBRARY
        if path != ACTIONS_HOME
        for place, members in listed(path, mappings=False)
        if {each.attr.lower() for each in members if isinstance(each, ast.Attribute)} in states
    ] + [
        f"{path.relative_to(ROOT)}:{line}"
        for path in LIBRARY
        if path != ACTIONS_HOME
        for text, line in texts(path)
        for words in inline.findall(text)
        if set(re.findall(r"\w+", words)) in states
    ]
    assert found == []
