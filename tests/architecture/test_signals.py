"""Signals connect once, and each connection says why it is one."""

import ast

import pytest

from tests.architecture.source import ROOT, nodes_of, python_files

CODE = [
    path
    for path in python_files()
    if path.relative_to(ROOT).parts[0] in ("celeriac", "apps", "tasks", "config")
]


def connections(source):
    """Yield each call that connects a receiver to a signal."""
    for node in nodes_of(source):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name == "receiver" or (name.endswith(".connect") and (node.args or node.keywords)):
            yield node


def faults(source):
    """Return the line of each connection that may happen twice, or says not why it is there."""
    lines = source.splitlines()
    return [
        call.lineno
        for call in connections(source)
        if "dispatch_uid" not in {each.arg for each in call.keywords}
        or not lines[call.lineno - 2].lstrip().startswith("#")
    ]


def test_every_connection_has_a_uid_and_a_reason():
    """`dispatch_uid`, and a comment in the line above."""
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in CODE}
    assert sum(len(list(connections(source))) for source in sources.values()) > 15
    found = {name: faults(source) for name, source in sources.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "# Why.\npost_save.connect(f)",
        "\npost_save.connect(f, dispatch_uid='a')",
        "\n@receiver(post_save, dispatch_uid='a')\ndef f(): ...",
        "# Why.\n@signals.worker_init.connect(weak=False)\ndef f(): ...",
    ],
)
def test_a_bare_connection_is_found(source):
    """Whichever way it is written."""
    assert faults(source)
