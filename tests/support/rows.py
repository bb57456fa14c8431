"""The rows of the test database: what `migrate` wrote stays, the rest goes after each test.

Django's own way after a transactional test, TRUNCATE of every table and `post_migrate` to write
the first rows anew, takes a third of a second. Here only tables that are not empty are emptied,
and the first rows (content types, permissions, groups, queues) are written anew only where a test
changed them.
"""

import json
from dataclasses import dataclass
from functools import cache

from django.db import DatabaseError, connection
from django.test import TransactionTestCase

from celeriac.core.database_errors import is_away
from tests.support.servers import Running

#: A table of more bytes than that is truncated; few rows are deleted faster.
SMALL = 100_000
#: Seconds that emptying waits for somebody's lock.
PATIENCE = 10
SESSIONS = """
SELECT pid, application_name, state, left(query, 200) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Start:
    """What the database was like after `migrate`: rows and marks by table."""

    blocker = None
    rows = None
    marks = None


@dataclass(frozen=True)
class State:
    """What is in the database now; marks are what any change of a table's first rows changes."""

    filled: list[str]
    marks: dict[str, str]
    idle_transactions: int
    settings: int


def remember(blocker):
    """Keep the rows that `migrate` wrote, and use our own way from now on."""
    Start.blocker, Start.rows = blocker, {}
    with connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f'SELECT json_agg(t) FROM "{table}" t')
            (found,) = cursor.fetchone()
            if found:
                Start.rows[table] = found
    Start.marks = read().marks
    TransactionTestCase._fixture_teardown = lambda self: clean()


def forget():
    """Look no more: the database goes now."""
    Start.blocker = None


@cache
def tables():
    """Return the names of all tables that models have."""
    return connection.introspection.django_table_names(only_existing=True, include_views=False)


def read():
    """Read the state, in one statement that the server plans once a connection."""
    held = [f'EXISTS(SELECT FROM "{table}")' for table in tables()]
    marks = [
        f"(SELECT count(*) || ' ' || max(xmin::text::bigint) FROM \"{t}\")" for t in Start.rows
    ]
    query = (
        f"SELECT ARRAY[{', '.join(held)}], ARRAY[{', '.join(marks)}]::text[],"
        f" (SELECT count(*) FROM ({SESSIONS}) s WHERE state LIKE 'idle in transaction%%'),"
        " (SELECT count(*) FROM pg_db_role_setting)"
    )
    connection.ensure_connection()
    row = connection.connection.execute(query, [], prepare=True).fetchone()
    filled = [name for name, is_filled in zip(tables(), row[0], strict=True) if is_filled]
    return State(filled, dict(zip(Start.rows, row[1], strict=True)), row[2], row[3])


def clean():
    """Empty what is not empty, and write first rows anew where they changed."""
    try:
        state = read()
    except DatabaseError as error:
        if not is_away(error):
            raise
        connection.close()
        state = read()
    with connection.cursor() as cursor:
        # No foreign key is looked at: the other side is emptied too.
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, false),"
            " set_config('session_replication_role', 'replica', false)",
            [f"{PATIENCE}s"],
        )
        for table in state.filled:
            if table not in Start.rows:
                empty(cursor, table)
        changed = [table for table, mark in state.marks.items() if mark != Start.marks[table]]
        for table in changed:
            write_anew(cursor, table)
    if changed:
        Start.marks = read().marks


def empty(cursor, table):
    """Empty a table."""
    cursor.execute("SELECT pg_relation_size(%s::regclass)", [f'"{table}"'])
    (size,) = cursor.fetchone()
    if size > SMALL and not referrers(table) & Start.rows.keys():
        cursor.execute(f'TRUNCATE "{table}" CASCADE')
    else:
        cursor.execute(f'DELETE FROM "{table}"')


@cache
def referrers(table):
    """Return the tables that refer to this one, directly or not: a TRUNCATE takes them along."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE r(oid) AS (SELECT %s::regclass::oid UNION"
            " SELECT conrelid FROM pg_constraint JOIN r ON confrelid = r.oid WHERE contype = 'f')"
            " SELECT relname FROM r JOIN pg_class USING (oid)",
            [f'"{table}"'],
        )
        return {row[0] for row in cursor.fetchall()}


def write_anew(cursor, table):
    """Replace a table's rows by its first ones."""
    cursor.execute(f'DELETE FROM "{table}"')
    cursor.execute(
        f'INSERT INTO "{table}" SELECT * FROM json_populate_recordset(NULL::"{table}", %s)',
        [json.dumps(Start.rows[table])],
    )


def leftovers():
    """Return what is left in the database, in words, and clean it for the next test."""
    if Start.blocker is None:
        return []
    if Running.postgres is not None and not Running.postgres.is_running:
        Running.postgres.start()
        return ["PostgreSQL, stopped"]
    with Start.blocker.unblock():
        was_open = connection.connection is not None
        found = []
        try:
            found = list(named(read()))
            if found:
                clean()
        except DatabaseError as error:
            found.append(f"a database that does not answer as before: {error}")
            was_open = False
        if found or not was_open:
            connection.close()
    return found


def named(state):
    """Yield what of the state is not as at the start."""
    with connection.cursor() as cursor:
        for table in state.filled:
            if table not in Start.rows:
                cursor.execute(f'SELECT count(*), min(t::text) FROM "{table}" t')
                count, row = cursor.fetchone()
                yield f"{count} rows in {table}, such as {row[:300]}"
        for table, mark in state.marks.items():
            if mark != Start.marks[table]:
                yield f"other rows in {table} than `migrate` wrote"
        if state.idle_transactions:
            cursor.execute(f"{SESSIONS} AND state LIKE 'idle in transaction%'")
            yield from (f"an open transaction: {session}" for session in cursor.fetchall())
        if state.settings:
            cursor.execute("SELECT setconfig::text FROM pg_db_role_setting")
            yield from (f"a setting of the database or a role: {row[0]}" for row in cursor)
