from time import monotonic
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from celeriac.jobs.dispatching import admission
from celeriac.jobs.outcomes import Settlement
from celeriac.jobs.running import prepared as statements
from celeriac.jobs.running.claim import Capabilities, claim_jobs
from celeriac.jobs.running.settle import settle_runs
from celeriac.jobs.states import Verb
from tests.factories import JobFactory
from tests.integration.jobs.dispatching import fill
from tests.support.runs import ended

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
    monkeypatch.setattr(statements, "PLAN_LIVES", 10**9)
    ids = [uuid4() for _ in range(3)]
    for _ in range(3):
        assert statements.fetch_rows(ECHO, {"ids": statements.UUIDArray(ids)}) == [
            (job_id,) for job_id in ids
        ]
    assert prepared() == 1
    monkeypatch.setattr(statements, "PLAN_LIVES", 1)
    statements.fetch_rows(ECHO, {"ids": statements.UUIDArray(ids)})
    assert prepared() == 2


def test_a_statement_of_once_a_second_is_prepared_at_once_and_for_longer(monkeypatch):
    """It would come to no kept plan otherwise; behind a pooler nothing is prepared."""
    monkeypatch.setattr(statements, "PLAN_LIVES", 1)
    monkeypatch.setattr(statements, "SLOW_PLAN_LIVES", 10**9)
    values = {"ids": statements.UUIDArray([uuid4()])}
    connection.ensure_connection()
    with monkeypatch.context() as changed:
        changed.setattr(connection.connection, "prepare_threshold", None)
        statements.fetch_rows(ECHO, values, slow=True)
        assert prepared() == 0
        changed.setattr(connection.connection, "prepare_threshold", 5)  # psycopg's own
        statements.fetch_rows(ECHO, values)
        assert prepared() == 0
        statements.fetch_rows(ECHO, values, slow=True)
        assert prepared() == 1
        statements.fetch_rows(ECHO, values, slow=True)
        assert prepared() == 1


KEPT = """SELECT custom_plans, generic_plans FROM pg_prepared_statements
WHERE statement LIKE %s AND statement LIKE %s AND generic_plans + custom_plans > 0"""


READS = """SELECT sum(idx_scan) FROM pg_stat_user_indexes
WHERE indexrelname IN ('celeriac_job_due', 'celeriac_job_running')"""


def reads():
    """Return how often the indexes of what is queued and what runs were read."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT 1")
        cursor.execute(READS)
        return cursor.fetchone()[0]


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "together"])
@pytest.mark.parametrize(
    ("result", "settle"), [("null", "%settled AS%"), (None, "%SET state = 'succeeded'%")]
)
def test_the_plans_of_claim_and_settle_are_kept(monkeypatch, alone, result, settle):
    """PostgreSQL tries five of its own, then keeps one: for one id too, and by primary key."""
    monkeypatch.setattr(statements, "PLAN_LIVES", 10**9)
    known = Capabilities(kinds=("test.noop",))
    fill("test.note", 20_000)  # that nobody has analyzed yet
    read_before = reads()
    for _ in range(12):
        rung = [JobFactory(kind="test.noop").id for _ in range(1 if alone else 20)]
        claim_id = uuid4()
        jobs = claim_jobs(rung, claim_id=claim_id, worker=uuid4(), known=known)
        done = Settlement(Verb.COMPLETE, result=result, started=0.0, seconds=0.1)
        admission.probe_jobs(rung)
        runs = [ended(job.id, claim_id, done, silent=True) for job in jobs]
        settle_runs(runs)
        assert [run.is_refused for run in runs] == [False] * len(rung)
    with connection.cursor() as cursor:
        for start in ("%may_start AS%", settle):
            cursor.execute(KEPT, [start, f"%/* {int(monotonic()) // statements.PLAN_LIVES} */"])
            assert cursor.fetchall() == [(5, 7)], start
    assert reads() == read_before


def test_nothing_is_prepared_where_the_connection_forbids_it():
    """Behind a pooler that knows no prepared statements."""
    connection.ensure_connection()
    connection.connection.prepare_threshold = None
    try:
        for _ in range(10):
            statements.fetch_rows(ECHO, {"ids": statements.UUIDArray([uuid4()])})
        assert prepared() == 0
    finally:
        connection.close()


def test_who_listens_to_queries_hears_hot_ones():
    """Query counts in tests count them."""
    with CaptureQueriesContext(
        connection,
    ) as heard:
        statements.fetch_rows(ECHO, {"ids": statements.UUIDArray([])})
    assert len(heard) == 1


def test_a_failure_is_djangos_own_and_respects_the_open_transaction():
    """Callers catch django.db's errors, and a broken transaction stays refused."""
    with pytest.raises(DatabaseError):
        statements.fetch_rows("SELECT %(value)s::int / 0", {"value": 1})
    with transaction.atomic():
        with pytest.raises(DatabaseError), transaction.atomic():
            statements.fetch_rows("SELECT %(value)s::int / 0", {"value": 1})
        assert statements.fetch_rows(ECHO, {"ids": statements.UUIDArray([])}) == []


def test_arrays_keep_what_is_unknown():
    """NULL, every bit of an id and the full precision of a float; through Django's cursor too."""
    ids, floats = [uuid4(), UUID(int=0), UUID(int=2**128 - 1)], [0.1, None, 1e-9]
    statement = "SELECT %(ids)s::uuid[], %(floats)s::float8[], %(none)s::uuid[]"
    parameters = {
        "ids": statements.UUIDArray(ids),
        "floats": statements.FloatArray(floats),
        "none": statements.UUIDArray(),
    }
    assert statements.fetch_rows(statement, parameters) == [(ids, floats, [])]
    with CaptureQueriesContext(connection):
        assert statements.fetch_rows(statement, parameters) == [(ids, floats, [])]
