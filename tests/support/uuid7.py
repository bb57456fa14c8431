"""A function of the test database that makes ids, as uuidv7() of PostgreSQL 18 does.

It has a name of its own: were it called uuidv7, nobody would notice on an older server that the
ledger calls what that lacks.
"""

from django.db import connection

from celeriac.core.ids import UUID7_SQL

MAKE = """
CREATE FUNCTION new_id(shift interval DEFAULT '0') RETURNS uuid LANGUAGE sql AS $$
SELECT {}
$$
"""


def make_function():
    """Make new_id(shift): an id of the moment that is `shift` from now."""
    has_own = connection.pg_version >= 180000
    older = UUID7_SQL.replace("clock_timestamp()", "clock_timestamp() + shift")
    with connection.cursor() as cursor:
        cursor.execute(MAKE.format("uuidv7(shift)" if has_own else older))
