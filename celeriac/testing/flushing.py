"""Emptying a test database: as Django's `flush` does it, but only what a test has filled.

Django truncates every table, and has each app write its first rows (content types, permissions)
anew: a table more costs each TransactionTestCase a millisecond, an app with models several. Here
the first flush is Django's. What it leaves is remembered, and where no first row changed since,
the filled tables alone are truncated, with what refers to them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from celeriac.jobs.enqueueing import queues

#: What changes where a table was made or dropped, or another schema is searched.
_CATALOG = """(SELECT count(*) || ' ' || max(oid) || ' ' || current_schemas(false)::text
 FROM pg_class WHERE relkind IN ('r', 'p', 'f'))"""
_REFERENCES = """
SELECT referred.relname, referring.relname FROM pg_constraint AS one
JOIN pg_class AS referred ON referred.oid = one.confrelid
JOIN pg_class AS referring ON referring.oid = one.conrelid
WHERE one.contype = 'f' AND one.conparentid = 0 AND pg_table_is_visible(referred.oid)
"""


@dataclass(frozen=True)
class Flushed:
    """What a database was like after Django's flush."""

    catalog: str
    #: The tables that a flush empties, and those of them that held rows afterwards.
    tables: tuple[str, ...]
    first: tuple[str, ...]
    #: One for each of `first`: other where a row was added, changed or deleted.
    marks: tuple[str, ...]
    #: The tables whose foreign keys name a table.
    referring: dict[str, set[str]] = field(default_factory=dict)


_flushed: dict[tuple[str, ...], Flushed] = {}


def remember_database(connection: BaseDatabaseWrapper) -> None:
    """Keep what Django's flush has just left."""
    with connection.cursor() as cursor:
        tables = tuple(
            connection.introspection.django_table_names(only_existing=True, include_views=False)
        )
        catalog, filled, _ = _read(connection, tables, ())
        referring: dict[str, set[str]] = {}
        cursor.execute(_REFERENCES)
        for referred, by in cursor.fetchall():
            referring.setdefault(referred, set()).add(by)
        first = tuple(name for name, is_filled in zip(tables, filled, strict=True) if is_filled)
        marks = _read(connection, (), first)[2]
    _flushed[_key(connection)] = Flushed(catalog, tables, first, tuple(marks), referring)


def forget_database(connection: BaseDatabaseWrapper) -> None:
    """Know nothing of the database any more: the next flush is Django's."""
    _flushed.pop(_key(connection), None)


def empty_again(connection: BaseDatabaseWrapper) -> bool:
    """Empty what was filled since Django's flush; False, and nothing done, where that can't do."""
    known = _flushed.get(_key(connection))
    if known is None or connection.in_atomic_block:
        return False
    try:
        catalog, filled, marks = _read(connection, known.tables, known.first)
    except DatabaseError:  # a table is gone, or the connection: Django says what there is to say
        return False
    if catalog != known.catalog or tuple(marks) != known.marks:
        return False
    names = {name for name, is_filled in zip(known.tables, filled, strict=True) if is_filled}
    going = _with_referring(names - set(known.first), known.referring)
    if not going <= set(known.tables) - set(known.first):
        return False
    if going:
        quoted = ", ".join(connection.ops.quote_name(name) for name in sorted(going))
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {quoted}")
    queues.forget_rows()
    return True


def _key(connection: BaseDatabaseWrapper) -> tuple[str, ...]:
    """Return what names the database: each process of a parallel run has another one."""
    return (connection.alias, *(str(connection.settings_dict[at]) for at in ("HOST", "NAME")))


def _read(
    connection: BaseDatabaseWrapper, tables: Iterable[str], first: Iterable[str]
) -> tuple[str, list[bool], list[str]]:
    """Return the catalog's mark, which tables hold rows, and the marks of the first rows.

    In one statement, which the server plans once a connection.
    """
    quote = connection.ops.quote_name
    held = ", ".join(f"EXISTS(SELECT FROM {quote(name)})" for name in tables)
    marks = ", ".join(
        f"(SELECT count(*) || ' ' || max(xmin::text::bigint) FROM {quote(name)})" for name in first
    )
    query = f"SELECT {_CATALOG}, ARRAY[{held}]::boolean[], ARRAY[{marks}]::text[]"
    connection.ensure_connection()
    with connection.wrap_database_errors:
        session = cast("Any", connection.connection)  # psycopg's
        row = session.execute(query, prepare=True).fetchone()
    return row[0], row[1], row[2]


def _with_referring(names: set[str], referring: dict[str, set[str]]) -> set[str]:
    """Return the tables and all that refer to them: PostgreSQL truncates those together alone."""
    found: set[str] = set()
    left = set(names)
    while left:
        name = left.pop()
        found.add(name)
        left |= referring.get(name, set()) - found
    return found
