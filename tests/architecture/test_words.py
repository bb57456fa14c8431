"""The words of the code: the field's, and those of docs/glossary.md."""

import ast
import re
from collections import defaultdict

import pytest

from tests.architecture.source import ROOT, nodes, python_files

#: Private words that went, with what each is called now. None is a part of a name in our code.
GONE = {
    "weather": "round snapshot",
    "lane": "queue cursor",
    "crew": "queue workers, processes",
    "fleet": "workers",
    "duty": "periodic step",
    "desk": "worker context",
    "bury": "settle a dead child",
    "twin": "duplicate",
    "heir": "successor",
    "veil": "redactor",
    "discreet": "redacted",
    "telling": "job page",
    "companion": "job page section",
    "counted": "metrics",
    "tally": "counter",
    "heap": "memory store",
    "cells": "counters",
    "catalogue": "actions",
    "permits": "permissions",
    "scribe": "database writer",
    "errand": "statement",
    "passage": "guarded call",
    "hearsay": "what the database says",
    "ladder": "resolution",
    "sought": "lookup",
    "heart": "heartbeat",
    "keeper": "supervisor",
    "reaper": "supervisor",
    "acts": "faults",
    "kit": "common",
    "effort": "cpu time",
    "surroundings": "process state",
    "ward": "child's journal",
    "growing": "large tables",
    "garbage": "invalid messages",
    "naming": "log names",
    "diary": "event log",
    "rubbish": "invalid values",
}
#: Words that English needs elsewhere: as a whole name they say nothing, so none is the name of a
#: class, a file or a public function. In longer names, and as variables, they are plain English.
ALONE = {
    "standing", "place", "look", "room", "gate", "gates", "pace", "known", "card", "boot", "watch",
    "slot", "trace", "mask", "masks", "masked", "hide", "hidden", "walk", "ticket", "finding",
    "lost", "mark", "marks", "round", "fit", "take_up", "books", "ground", "sides", "door", "house",
    "signals", "away", "hot", "words", "story", "fresh", "patient", "powers", "signing", "verbs",
    "wards", "told", "said", "bells", "rung", "answers", "serve", "admit", "hooked", "joint",
    "bound",
}  # fmt: skip
#: Names that others gave: Django looks for them, or the contract fixes them.
KEPT = {"apps/payments/signals.py"}
#: Verbs that need a noun.
BARE = {
    "read", "find", "settle", "write", "of", "fit", "get", "take", "give", "tell", "say", "look",
    "bury", "told", "said", "hear", "heed", "forget", "named", "plain", "many", "declare",
    "install",
}  # fmt: skip
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
#: In a log's words these mean what they mean in English.
FINE_IN_LOGS = {"counted", "acts", "growing", "naming", "heap", "telling"}


def words_of(name):
    """Return the words of a name, split where the case changes and at underscores."""
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().split("_")
    return [part for part in parts if part]


def ours():
    """Return the Python files whose names are held, tests of the words aside."""
    files = [p.relative_to(ROOT) for p in python_files()]
    return [p for p in files if p.name != "test_words.py"]


def definitions(path):
    """Yield the classes, and the public functions and methods, of a file by name."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    for node in nodes(ROOT / path):
        is_public = isinstance(node, functions) and not node.name.startswith("_")
        if is_public or isinstance(node, ast.ClassDef):
            yield node.name


def log_texts(path):
    """Yield the words of each log line that a file writes."""
    for node in nodes(ROOT / path):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LOG_METHODS
            and isinstance(node.func.value, ast.Name)
            and "log" in node.func.value.id
        ):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_no_private_word_names_a_file_or_a_folder():
    """A newcomer reads the listing first."""
    found = []
    for path in ours():
        for part in path.with_suffix("").parts:
            words = words_of(part)
            if set(words) & GONE.keys() or (part in ALONE and str(path) not in KEPT):
                found.append(str(path))
    assert not found


def test_no_private_word_names_a_class_or_a_public_function():
    """Neither as a part of a name, nor, where English needs the word, as the whole of it."""
    found = [
        f"{path}: {name}"
        for path in ours()
        if path.parts[0] != "tests"
        for name in definitions(path)
        if set(words_of(name)) & GONE.keys() or "_".join(words_of(name)) in ALONE
    ]
    assert not found


def test_no_private_word_stands_in_a_log_line():
    """Who reads logs at night has no glossary open."""
    gone = re.compile(rf"\b({'|'.join(GONE.keys() - FINE_IN_LOGS)})\b", re.IGNORECASE)
    found = [
        f"{path}: {text}"
        for path in ours()
        if path.parts[0] != "tests"
        for text in log_texts(path)
        if gone.search(text)
    ]
    assert not found


def test_no_class_name_stands_twice_in_the_library():
    """A name says which class; Django's commands, Meta and Media are named by Django."""
    places = defaultdict(list)
    for path in ours():
        if path.parts[0] == "celeriac":
            for node in nodes(ROOT / path):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path))
    named_by_django = {"Command", "Media", "Meta"}
    twice = {n: at for n, at in places.items() if len(at) > 1 and n not in named_by_django}
    assert not twice


def test_public_functions_of_the_library_bear_a_noun():
    """`read_address` says what is read, wherever it is imported."""
    found = [
        f"{path}: {node.name}"
        for path in ours()
        if path.parts[0] in {"celeriac", "apps", "tasks", "config"}
        for node in nodes(ROOT / path)[0].body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in BARE
    ]
    assert not found


def glossary():
    """Return the words of the glossary, in order."""
    text = (ROOT / "docs" / "glossary.md").read_text()
    return re.findall(r"^\| \*\*(.+?)\*\* \|", text, re.MULTILINE)


def test_the_glossary_is_in_order():
    """It is looked up by people."""
    assert glossary() == sorted(glossary())
    assert len(glossary()) > 30


@pytest.fixture(scope="module")
def spoken():
    """Return all text of the library and of the docs, the glossary aside."""
    files = [*(ROOT / "celeriac").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    return "\n".join(p.read_text().lower() for p in files if p.name != "glossary.md")


def test_every_word_of_the_glossary_is_used(spoken):
    """A word that nobody uses explains nothing."""
    unused = [word for word in glossary() if not re.search(rf"\b{word}", spoken)]
    assert not unused
