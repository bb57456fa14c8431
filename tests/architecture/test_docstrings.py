"""What a docstring of the public names says: errors under one heading, times with their unit.

ruff holds the form of sections (pydocstyle's, in Google's convention).
"""

import ast
import builtins
import inspect
import re
import sys
import textwrap

import pytest

import celeriac
import celeriac.celery
import celeriac.testing
from celeriac import settings
from celeriac.breakers import api as breakers
from celeriac.console.actions import services as bulk_actions
from celeriac.jobs.operating import operate, operate_queues
from celeriac.schedules import operate as schedules
from tests.architecture.source import ROOT, nodes

DOORS = (celeriac, celeriac.celery, celeriac.testing)
#: What operators and their tools call: services that leave an audit row, and the settings.
SERVICES = (operate, operate_queues, breakers, schedules, bulk_actions, settings)
#: Words that a float says its unit by, or the function that says it for this one.
UNITS = re.compile(r"second|as `[\w.]+` does|share|\btimes\b", re.IGNORECASE)
OTHER_HEADINGS = re.compile(
    r"^\s*(raise|raised|errors?|exceptions?|throws|excepts?):?\s*$", re.IGNORECASE
)
IN_PROSE = re.compile(r"\b[Rr]aises? [A-Z]\w+")


def own_functions(thing):
    """Yield a function, a class, and a class's own public methods; what others wrote is theirs."""
    if inspect.isclass(thing):
        yield thing
        for name, member in vars(thing).items():
            found = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
            if inspect.isfunction(found) and not name.startswith("_"):
                yield found
    elif inspect.isfunction(thing):
        yield thing


def public_functions():
    """Yield all functions and classes that are public, each once."""
    named = [getattr(door, name) for door in DOORS for name in door.__all__]
    for module in (*SERVICES, *filter(inspect.ismodule, named)):
        here = getattr(module, "__all__", None) or [
            name
            for name, thing in vars(module).items()
            if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__
        ]
        named += [getattr(module, name) for name in here]
    seen = set()
    for thing in named:
        for found in own_functions(thing):
            if found.__module__.startswith("celeriac.") and found not in seen:
                seen.add(found)
                yield found


def errors_of(docstring):
    """Return the errors under `Raises:`, with their sentences."""
    section = re.search(r"^Raises:\n((?:    .*\n?)+)", docstring, re.MULTILINE)
    return re.findall(r"^    (\w+): (.+)$", section[1], re.MULTILINE) if section else []


def raised_by(function):
    """Return the classes that a function's own lines raise."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    names = [each.func if isinstance(each, ast.Call) else each for each in raised]
    return {each.id for each in names if isinstance(each, ast.Name) and each.id[0].isupper()}


PUBLIC = [
    pytest.param(each, id=f"{each.__module__}:{each.__qualname__}") for each in public_functions()
]


def test_the_public_names_are_found():
    """A test of none would pass."""
    found = {each.values[0].__name__ for each in PUBLIC}
    assert {"enqueue", "get", "pause_queue", "backfill_schedule", "bulk_stop", "drain"} <= found
    assert len(found) > 150


@pytest.mark.parametrize("function", PUBLIC)
def test_errors_stand_under_one_heading(function):
    """Under `Raises:`, each with when it comes; all that the function itself raises is there."""
    docstring = inspect.cleandoc(function.__doc__ or "")
    assert not [line for line in docstring.splitlines() if OTHER_HEADINGS.match(line)]
    assert IN_PROSE.findall(docstring) == []
    listed = errors_of(docstring)
    assert ("Raises:" in docstring) == bool(listed)
    known = vars(builtins) | vars(celeriac) | vars(sys.modules[function.__module__])
    for name, when in listed:
        error = known.get(name) or getattr(celeriac, name, None) or errors_named(name)
        assert inspect.isclass(error), f"{name} is no error that anybody knows"
        assert issubclass(error, Exception)
        assert when.endswith(".")
    if inspect.isfunction(function):
        assert raised_by(function) <= {name for name, _ in listed}


def errors_named(name):
    """Return the library's error of that name, where a function raises it through another."""
    found = {each for each in subclasses(celeriac.CeleriacError) if each.__name__ == name}
    return found.pop() if len(found) == 1 else None


def subclasses(error):
    """Yield an error and all that derive from it."""
    yield error
    for each in error.__subclasses__():
        yield from subclasses(each)


@pytest.mark.parametrize("function", PUBLIC)
def test_times_bear_their_unit(function):
    """Whoever gives a number must not guess of what."""
    if not inspect.isfunction(function):
        return
    given = inspect.signature(function).parameters.values()
    numbers = [each.name for each in given if "float" in str(each.annotation)]
    silent = [name for name in numbers if name != "seconds"]
    assert not silent or UNITS.search(function.__doc__ or ""), f"{silent} in which unit?"


def test_no_docstring_of_the_library_has_another_heading_for_errors():
    """Private ones, too."""
    odd = []
    for file in (ROOT / "celeriac").rglob("*.py"):
        for node in nodes(file):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            lines = (ast.get_docstring(node) or "").splitlines()
            odd += [f"{file.name}: {line}" for line in lines if OTHER_HEADINGS.match(line)]
    assert odd == []
