"""What is true of the whole library is written in one module of it."""

import ast
import re

from django.apps import apps

from celeriac.core import tables
from tests.architecture.source import ROOT, python_files

CODE = [
    path
    for path in python_files()
    if path.relative_to(ROOT).parts[0]
    in ("celeriac", "apps", "tasks", "config", "sandbox", "bench")
    and "migrations" not in path.parts
]


def texts(path):
    """Return the texts of a module, those within f-strings too."""
    tree = ast.walk(ast.parse(path.read_text()))
    return [
        (node.value, node.lineno)
        for node in tree
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
