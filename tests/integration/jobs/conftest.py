"""Kinds declared for a test, and taken back after it."""

import pytest

from apps.jobs import registry
from apps.jobs.schema import Schema


@pytest.fixture
def declare():
    """Return a function that declares a kind for this test."""
    names = []

    def declare(handler, name="test.kind", **policy):
        kind = registry.Kind(name=name, handler=handler, schema=Schema.of(handler), **policy)
        names.append(name)
        return registry.declare(kind)

    yield declare
    for name in names:
        registry.forget(name)
