"""Addresses are named by their app and never written out."""

import ast
import re

import pytest
from django.urls import URLResolver, get_resolver

from tests.architecture.source import ROOT, nodes_of, python_files, tracked_files

SITES = ("celeriac", "apps", "tasks", "config")
#: Django's own way of asking for a page, and no address of ours.
FIRST = {str(each.pattern).strip("^/").partition("/")[0] for each in get_resolver().url_patterns}
#: Only `include("…urls")` of a namespaced module leads into the first segment's app.
SEGMENTS = (FIRST | {"webhooks", "unsubscribe", "healthz", "readyz", "metrics"}) - {""}
OURS = re.compile(rf"/(?:{'|'.join(map(re.escape, sorted(SEGMENTS)))})(?:/\S*)?")


def paths(source):
    """Return the site's addresses that a module writes out."""
    return [
        node.value
        for node in nodes_of(source)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and OURS.fullmatch(node.value)
    ]


def test_every_apps_addresses_have_its_namespace():
    """All but the admin's come from an app's own `urls.py`, which names it."""
    resolvers = [each for each in get_resolver().url_patterns if isinstance(each, URLResolver)]
    assert len(resolvers) >= 7
    assert [str(each.pattern) for each in resolvers if not each.namespace] == []


def test_code_writes_no_address_out():
    """`reverse` says where a page is; a project may put it elsewhere."""
    found = {
        str(path.relative_to(ROOT)): paths(path.read_text())
        for path in python_files()
        if path.relative_to(ROOT).parts[0] in SITES
    }
    assert {name: written for name, written in found.items() if written} == {}


def test_templates_write_no_address_out():
    """Nor do scripts: `{% url %}`, or what the page was given."""
    pages = [
        path
        for path in tracked_files()
        if path.suffix in (".html", ".js") and path.relative_to(ROOT).parts[0] in SITES
    ]
    assert len(pages) > 10
    written = re.compile(rf"[\"'`]{OURS.pattern}[\"'`?]")
    assert [str(path) for path in pages if written.search(path.read_text())] == []


@pytest.mark.parametrize("written", ["'/healthz'", "f'/flower/{a}'", "'/api/v1/jobs/'"])
def test_an_address_that_is_written_out_is_found(written):
    """Whole, and as the beginning of one."""
    assert paths(f"a = {written}")
