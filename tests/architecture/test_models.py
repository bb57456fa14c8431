"""STYLE's order within a model: fields, relations, Meta, __str__, properties, methods."""

import ast
from itertools import pairwise

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import AutoField

from tests.architecture.source import ROOT, python_files

RELATIONS = {"ForeignKey", "OneToOneField", "ManyToManyField"}
MODELS = [
    path
    for path in python_files()
    if path.relative_to(ROOT).parts[0] in ("apps", "celeriac")
    and (path.stem == "models" or path.parent.stem == "models")
]


def rank(node):
    """Return the place of a statement in its class; None where any will do."""
    match node:
        case ast.Assign(value=ast.Call(func=called)) | ast.AnnAssign(value=ast.Call(func=called)):
            name = ast.unparse(called).rpartition(".")[2]
            return 1 if name in RELATIONS else 0 if name.endswith("Field") else None
        case ast.ClassDef(name="Meta"):
            return 2
        case ast.FunctionDef(name="__str__"):
            return 3
        case ast.FunctionDef(decorator_list=decorators):
            return 4 if "property" in map(ast.unparse, decorators) else 5
    return None


def misplaced(source):
    """Return each statement that stands behind one that belongs behind it."""
    found = []
    for each in (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)):
        ranked = [(rank(node), node) for node in each.body if rank(node) is not None]
        pairs = pairwise(ranked)
        found += [f"{each.name}:{node.lineno}" for (a, _), (b, node) in pairs if b < a]
    return found


def test_fields_stand_before_relations_and_both_before_meta():
    """In every model of the library and of the shop."""
    assert len(MODELS) > 20
    assert {
        path.name: misplaced(path.read_text())
        for path in MODELS
        if "import" in path.read_text() and misplaced(path.read_text())
    } == {}


@pytest.mark.parametrize(
    "body",
    [
        "a = models.ForeignKey(B)\n    b = models.TextField()",
        "class Meta:\n        pass\n    a = models.TextField()",
        "def go(self): ...\n    @property\n    def b(self): ...",
    ],
)
def test_the_order_is_really_read(body):
    """A model that is out of order is found."""
    assert len(misplaced(f"class A(models.Model):\n    {body}")) == 1


def test_no_row_of_ours_is_counted_up_in_an_address():
    """A page of the admin bears the row's key: a UUID or a name, and no counter."""
    shown = [model for model in admin.site._registry if not model._meta.proxy]
    ours = [model for model in shown if model.__module__.startswith(("apps.", "celeriac."))]
    assert len(ours) > 15
    assert [model.__name__ for model in ours if isinstance(model._meta.pk, AutoField)] == []


def test_names_that_a_schema_shares_bear_the_librarys():
    """Indexes stand beside those of every other app of the database."""
    ours = [model for model in apps.get_models() if model.__module__.startswith("celeriac.")]
    named = [
        each.name for model in ours for each in (*model._meta.indexes, *model._meta.constraints)
    ]
    assert len(named) > 40
    assert [name for name in named if not name.startswith("celeriac_")] == []
