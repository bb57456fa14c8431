"""Writing on a connection of its own: what it commits outlives the caller's transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections


@contextmanager
def own_connection() -> Iterator[None]:
    """Have the block's statements leave the open transaction alone, where there is one.

    Within a TestCase's transaction nothing may outlive it: there the block joins it.
    """
    if not connection.in_atomic_block or is_within_test():
        yield
        return
    outer: Any = connections[DEFAULT_DB_ALIAS]
    own = outer.copy()
    connections[DEFAULT_DB_ALIAS] = own
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = outer
        own.close()


def is_within_test() -> bool:
    """Whether the open transaction is a TestCase's."""
    blocks: Any = connection.atomic_blocks
    return any(block._from_testcase for block in blocks)
