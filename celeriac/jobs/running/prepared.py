"""The hot statements, prepared: parsed and planned now and then, not once per call.

Django's own cursors merge the values into the text, which can't be prepared. Whether
psycopg prepares is the connection's `prepare_threshold` (None behind a pooler that
knows no prepared statements).

A plan made while a table was nearly empty is bad for a full one, and the database
notices only at its next ANALYZE. So every statement is prepared anew after a while: one that
comes once a second less often, or it would never come to a kept plan.
"""

import re
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection
from psycopg.adapt import Dumper
from psycopg.pq import Format

#: States as values that no partial index answers: where rows are named by id, a plan made
#: for a table that nobody has analyzed would read all that is queued or runs instead.
QUEUED, RUNNING = "(SELECT 'queued')", "(SELECT 'running')"
#: Seconds that a plan may live: of a hot statement, and of one that comes once in a second or two.
PLAN_LIVES, SLOW_PLAN_LIVES = 10, 60
#: Prepared statements that a connection keeps: those of two lives.
_KEPT = 40


@dataclass(frozen=True, slots=True)
class AnswerHook:
    """A wrapper of Django's queries that calls `tell` after each answer, prepared ones included."""

    tell: Callable[[], None]

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        """Execute, and tell."""
        result = execute(*args)
        self.tell()
        return result


def fetch_rows(
    statement: str, parameters: Mapping[str, Any] | Sequence[Any], *, slow: bool = False
) -> list[tuple[Any, ...]]:
    """Execute `statement` and return its rows.

    One that comes once in a second or two is `slow`: it is prepared at its first call, a hot one
    at psycopg's threshold, and its plan lives longer. Where somebody listens to Django's queries
    (query counts in tests, wrappers) it goes through Django's cursor, or they would not hear it.
    """
    wrappers = connection.execute_wrappers
    ear = wrappers[0] if len(wrappers) == 1 and isinstance(wrappers[0], AnswerHook) else None
    if connection.queries_logged or (wrappers and ear is None):
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    raw = connection.connection
    raw.prepared_max = _KEPT
    # Another text is another prepared statement. Both parts are constants of ours.
    lives = SLOW_PLAN_LIVES if slow else PLAN_LIVES
    query: Any = f"{statement}/* {int(time.monotonic()) // lives} */"
    at_once = True if slow and raw.prepare_threshold is not None else None
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        rows = cursor.execute(query, parameters, prepare=at_once, binary=True).fetchall()
    if ear is not None:
        ear.tell()
    return rows


def for_one(statement: str, *arrays: str) -> str:
    """Return the statement with each of the named array parameters given as its one value.

    Of an array that comes as a parameter the planner expects ten values. So for one it
    finds the plan it could keep dearer than a plan made for the call, and plans every call.
    """
    for name in arrays:
        given = re.compile(rf"%\({name}\)s::(\w+)\[\]")
        statement = given.sub(rf"ARRAY[%({name})s::\1]", statement)
    return statement


class UUIDArray(list[UUID]):
    """A uuid[] that is sent as the database keeps it: to parse its text would cost more."""


class FloatArray(list[float | None]):
    """A float8[] that is sent so, too; None is unknown."""


class _UUIDs(Dumper):
    format, oid = Format.BINARY, 2951

    def dump(self, obj: Any) -> bytes:
        """Return a head, and the values, each behind its length."""
        values = [_SIXTEEN + value.int.to_bytes(16) for value in obj]
        return _head(2950, len(obj)) + b"".join(values)


class _Floats(Dumper):
    format, oid = Format.BINARY, 1022

    def dump(self, obj: Any) -> bytes:
        """Return a head, and the values, each behind its length: -1 where there is none."""
        values = [_UNKNOWN if value is None else _FLOAT.pack(8, value) for value in obj]
        return _head(701, len(obj)) + b"".join(values)


_FLOAT = struct.Struct("!id")
_SIXTEEN, _UNKNOWN = struct.pack("!i", 16), struct.pack("!i", -1)


def _head(oid: int, length: int) -> bytes:
    """Return how the database begins an array of one dimension, or of none where it is empty."""
    if not length:
        return struct.pack("!iiI", 0, 0, oid)
    return struct.pack("!iiIii", 1, 1, oid, length, 1)


psycopg.adapters.register_dumper(UUIDArray, _UUIDs)
psycopg.adapters.register_dumper(FloatArray, _Floats)
