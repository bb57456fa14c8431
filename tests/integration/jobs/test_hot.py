from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.jobs.running import hot

pytestmark = pytest.mark.django_db(transaction=True)

ECHO = "SELECT id FROM unnest(%(ids)s::uuid[]) AS id"
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s"


def prepared():
    """Return how many prepared statements of this connection bear the echo."""
    with connection.cursor() as cursor:
        cursor.execute(PREPARED, [f"{ECHO.partition('%')[0]}%"])
        return cursor.fetchone()[0]


def test_a_hot_statement_is_prepared_once_and_made_anew_after_a_while(monkeypatch):
    """No plan outlives the size of its table."""
    monkeypatch.setattr(hot, "PLAN_LIVES", 10**9)
    ids = [uuid4() for _ in range(3)]
    for _ in range(3):
        assert hot.fetch(ECHO, {"ids": hot.uuids(ids)}) == [(job_id,) for job_id in ids]
    assert prepared() == 1
    monkeypatch.setattr(hot, "PLAN_LIVES", 1)
    hot.fetch(ECHO, {"ids": hot.uuids(ids)})
    assert prepared() == 2


def test_nothing_is_prepared_where_the_connection_forbids_it():
    """Behind a pooler that knows no prepared statements."""
    connection.ensure_connection()
    connection.connection.prepare_threshold = None
    try:
        for _ in range(10):
            hot.fetch(ECHO, {"ids": hot.uuids([uuid4()])})
        assert prepared() == 0
    finally:
        connection.close()


def test_who_listens_to_queries_hears_hot_ones():
    """Query counts in tests count them."""
    with CaptureQueriesContext(
        connection,
    ) as heard:
        hot.fetch(ECHO, {"ids": hot.uuids([])})
    assert len(heard) == 1


def test_a_failure_is_djangos_own_and_respects_the_open_transaction():
    """Callers catch django.db's errors, and a broken transaction stays refused."""
    with pytest.raises(DatabaseError):
        hot.fetch("SELECT %(value)s::int / 0", {"value": 1})
    with transaction.atomic():
        with pytest.raises(DatabaseError), transaction.atomic():
            hot.fetch("SELECT %(value)s::int / 0", {"value": 1})
        assert hot.fetch(ECHO, {"ids": hot.uuids([])}) == []


def test_arrays_keep_what_is_unknown():
    """NULL and the full precision of a float."""
    rows = hot.fetch("SELECT %(a)s::float8[]", {"a": hot.floats([0.1, None, 1e-9])})
    assert rows == [([0.1, None, 1e-9],)]
