"""What is true of the whole library is written in one module of it."""

import ast
import re
from dataclasses import fields

import pytest
from django.apps import apps

from celeriac.core import sqlstates, tables
from celeriac.jobs.holds import HOLDS, PROBE, RAMP, UNKNOWN_KIND
from celeriac.jobs.operating.actions import ACTIONS
from celeriac.jobs.registry import Kind
from celeriac.jobs.states import TERMINAL, UNFINISHED, State
from tests.architecture.source import ROOT, nodes, nodes_of, python_files

CODE = [
    path
    for path in python_files()
    if path.relative_to(ROOT).parts[0]
    in ("celeriac", "apps", "tasks", "config", "sandbox", "bench")
    and "migrations" not in path.parts
]


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
    """Neither in Python nor in SQL; those that have not ended are also simply all such."""
    states = [{str(state) for state in action.states} for action in ACTIONS.values()]
    states = [each for each in states if len(each) > 1 and each != set(UNFINISHED)]
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


def outside(*owners):
    """Return the library's and the platform's modules but those that own a truth."""
    return [path for path in CODE if path.relative_to(ROOT).as_posix() not in owners]


def found_in(finder, *owners):
    """Return where a finder finds something, outside of the module that owns it."""
    return [
        f"{path.relative_to(ROOT)}: {each}"
        for path in outside(*owners)
        for each in finder(path.read_text())
    ]


def hold_reasons(text):
    """Find a reason that holds a job back: its code, its condition or its words."""
    codes = {hold.code for hold in HOLDS} | {PROBE, RAMP}
    said = [words for hold in HOLDS for words in (hold.sentence, hold.title, hold.todo)]
    pieces = {piece for words in said for piece in re.split(r"\{.*?\}", words) if len(piece) > 15}
    for node in nodes_of(text):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Wait", "Hold"):
            yield from (
                each.value
                for each in node.args[:2]
                if isinstance(each, ast.Constant) and each.value in codes
            )
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (piece for piece in pieces if piece in node.value)
            if node.value == UNKNOWN_KIND.code:
                yield node.value
    yield from re.findall(r"paused_until IS NULL|paused_until__gt|lock_key = j\.lock_key", text)


def rules_of_liveness(text):
    """Find a comparison of what was last heard of a process; what deletes old rows is none."""
    heard = re.compile(r"(?<!self\.)(?<!_)(?:beat_at|heard_at|given_at)(?:__[gl]te?\b| *[<>])")
    return [
        line for line in text.splitlines() if heard.search(line) and "delete" not in line.lower()
    ]


def lists_of_states(text):
    """Find a list of states, two of them terminal: text, members, keys, or within SQL."""
    known, terminal = {each.value for each in State}, {each.value for each in TERMINAL}
    for node in nodes_of(text):
        elements = getattr(node, "keys" if isinstance(node, ast.Dict) else "elts", None)
        names = [_state_named(each) for each in elements or ()]
        if len(terminal & {*names}) > 1 and {*names} <= known:
            yield ", ".join(names)
    yield from re.findall(r"IN \('(?:dead|cancelled|succeeded|queued|running)',.*?\)", text)


def _state_named(node):
    """Return the state that an element names, as text or as a member."""
    if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "State":
        return node.attr.lower()
    return node.value if isinstance(node, ast.Constant) else ast.dump(node) if node else ""


def guesses(text):
    """Find a question of what somebody meant."""
    return re.findall(r"difflib(?! import unified_diff)|you mean \{", text)


def defaults_of_a_kind(text):
    """Find a kind's default where no kind is known."""
    defaults = {each.name: each.default for each in fields(Kind)}
    for node in nodes_of(text):
        if isinstance(node, ast.IfExp):
            asked = {each.attr for each in ast.walk(node.body) if isinstance(each, ast.Attribute)}
            given = [each.value for each in ast.walk(node.orelse) if isinstance(each, ast.Constant)]
            numbers = [each for each in given if isinstance(each, int | float)]
            yield from (name for name in asked if defaults.get(name) in numbers)


def sqlstates_written(text):
    """Find a code of PostgreSQL's that has a name."""
    codes = {value for name, value in vars(sqlstates).items() if name.isupper()}
    return [code for code in codes if f'"{code}"' in text]


def longest_spans(text):
    """Find the ten years that nothing may exceed."""
    return re.findall(r"(?<!\d)10 \* 366\b", text)


#: Who owns each truth, what finds a second one, and one that it must find.
TRUTHS = {
    "a reason that holds a job": (
        hold_reasons,
        ("celeriac/jobs/holds.py",),
        (
            'Wait("lock", "x")',
            'said = "another job holds their lock"',
            '"... paused_until IS NULL"',
        ),
    ),
    "whether a process lives": (
        rules_of_liveness,
        ("celeriac/jobs/living.py",),
        ("filter(beat_at__gt=1)", "worker.beat_at > now - lease", '"w.beat_at > now()"'),
    ),
    "the terminal states": (
        lists_of_states,
        ("celeriac/jobs/states.py", "celeriac/jobs/nodes/states.py"),
        (
            'ENDED = {"dead", "cancelled", "succeeded"}',
            "ENDED = (State.DEAD, State.CANCELLED)",
            'x: Literal["queued", "running", "succeeded", "dead", "cancelled"]',
            'SQL = """WHERE state IN (\'dead\', \'cancelled\')"""',
        ),
    ),
    "what was meant": (
        guesses,
        ("celeriac/core/hints.py",),
        ("import difflib", 'f"Did you mean {near}?"'),
    ),
    "a kind's defaults": (
        defaults_of_a_kind,
        ("celeriac/jobs/registry.py",),
        (
            "most = kind.max_losses if kind else 5",
            "a, b = (kind.retry, kind.max_losses) if kind else (Backoff(), 5)",
        ),
    ),
    "the database's codes": (
        sqlstates_written,
        ("celeriac/core/sqlstates.py",),
        ('if state == "55P03": pass',),
    ),
    "the longest span": (
        longest_spans,
        ("celeriac/core/arguments.py",),
        ("MAX = 10 * 366 * 86_400",),
    ),
}


@pytest.mark.parametrize("truth", TRUTHS)
def test_a_truth_stands_in_one_module(truth):
    """Each finder finds what is planted, so that it would find a second one anywhere."""
    finder, owners, planted = TRUTHS[truth]
    assert [text for text in planted if not list(finder(text))] == []
    assert all((ROOT / owner).exists() for owner in owners)
    assert found_in(finder, *owners) == []


def test_a_system_checks_id_means_one_thing_and_is_documented():
    """One place in the code gives each id, and docs/checks.md says what it means."""
    given = re.compile(r'\bid="(celeriac_\w+\.[EWI]\d+)"')
    found = [each for path in outside() for each in given.findall(path.read_text())]
    assert sorted(found) == sorted(set(found))
    documented = re.findall(
        r"^\| `(celeriac_\w+\.[EWI]\d+)`", (ROOT / "docs/checks.md").read_text(), re.MULTILINE
    )
    assert sorted(found) == sorted(documented)
