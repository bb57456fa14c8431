"""Transactions left or ended, and sessions changed: the job says so, and the next is spared it."""

import socket

import psycopg
import pytest
from django.db import close_old_connections, connection, transaction

from celeriac import Backoff
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.running import execute
from tests.app.models import Effect

pytestmark = pytest.mark.django_db(transaction=True)

#: Whether psycopg is older than 3.2, which has RawCursor.
IS_OLD = not hasattr(psycopg, "RawCursor")
NO_CLASS = "issubclass() arg 1 must be a class"


def write(name="written"):
    """Leave an effect."""
    Effect.objects.create(name=name)


def effects():
    """Return the names of all effects, in order."""
    return list(Effect.objects.order_by("id").values_list("name", flat=True))


def sql(*statements):
    """Execute statements by Django's cursor."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def begin():
    """BEGIN."""
    sql("BEGIN")
    write()


def autocommit_off():
    """Turn Django's autocommit off."""
    connection.set_autocommit(False)
    write()


def raw_autocommit_off():
    """Turn the driver's autocommit off, behind Django's back."""
    connection.ensure_connection()
    connection.connection.autocommit = False
    write()


def block_left():
    """Leave an atomic block open."""
    _blocks.append(transaction.atomic())
    _blocks[-1].__enter__()
    write()


def broken_block():
    """Leave a transaction open that an error aborted."""
    sql("BEGIN")
    write()
    try:
        sql("SELECT 1 / 0")
    except Exception:
        return


def chained():
    """COMMIT AND CHAIN."""
    sql("BEGIN", "COMMIT AND CHAIN")
    write()


def begin_and_close():
    """BEGIN, and close the connection: the server rolls it back."""
    begin()
    connection.close()


def autocommit_off_and_close():
    """Turn autocommit off, then close as long jobs do now and then."""
    autocommit_off()
    close_old_connections()


def block_closed():
    """Close the connection within a block: Django leaves the block without a word."""
    with transaction.atomic():
        write()
        connection.close()


def driver_closed():
    """Close the driver's own connection."""
    begin()
    connection.connection.close()


_blocks = []
LEAVE = [
    *(begin, autocommit_off, raw_autocommit_off, block_left, broken_block, chained),
    *(begin_and_close, autocommit_off_and_close, block_closed, driver_closed),
]


def test_a_plain_handler_that_leaves_a_transaction_open_has_failed(run, subtests):
    """What it wrote is rolled back, so that it has not succeeded."""
    for leave in LEAVE:
        with subtests.test(leave.__name__):
            left, after = run(leave, write)
            assert (left.state, left.failures) == ("dead", 1)
            assert left.error.endswith("left a database transaction open; it was rolled back")
            assert (after.state, effects()) == ("succeeded", ["written"])
            Effect.objects.all().delete()


def ended_by(*statements, writes=True):
    """Return a handler that ends its transaction by statements."""

    def handler():
        write("before")
        sql(*statements)
        if writes:
            write("after")

    return handler


def by_driver(name):
    """Return a handler that ends its transaction by a method of the driver."""

    def handler():
        write("before")
        getattr(connection.connection, name)()

    return handler


def leaves_our_block():
    """Leave the block that the platform opened."""
    write("before")
    connection.atomic_blocks[-1].__exit__(None, None, None)


ENDED = {
    "ROLLBACK": ended_by("ROLLBACK"),
    "ROLLBACK, and nothing": ended_by("ROLLBACK", writes=False),
    "COMMIT": ended_by("COMMIT"),
    "COMMIT, and nothing": ended_by("COMMIT", writes=False),
    "COMMIT; BEGIN": ended_by("COMMIT; BEGIN"),
    "ROLLBACK; BEGIN": ended_by("ROLLBACK; BEGIN", writes=False),
    "two statements": ended_by("COMMIT", "BEGIN"),
    "COMMIT AND CHAIN": ended_by("COMMIT AND CHAIN"),
    "ROLLBACK AND CHAIN": ended_by("ROLLBACK AND CHAIN"),
    "END and a savepoint": ended_by("END; BEGIN", "SAVEPOINT here"),
    "the driver's commit": by_driver("commit"),
    "the driver's rollback": by_driver("rollback"),
    "our block": leaves_our_block,
}


def test_a_transactional_handler_that_ends_its_transaction_has_failed(run, subtests):
    """Its success would commit alone; that the transaction is the same is proved as it settles."""
    for way, handler in ENDED.items():
        with subtests.test(way):
            (job,) = run(handler, transactional=True)
            assert (job.state, job.failures, job.losses) == ("dead", 1, 0)
            assert "TransactionLeftOpen: the handler ended the transaction" in job.error
            assert "after" not in effects()
            Effect.objects.all().delete()


def test_a_transaction_prepared_for_two_phases_is_one_that_ended(run):
    """Where the server has it at all; where not, that is the error."""
    (job,) = run(ended_by("PREPARE TRANSACTION 'x'"), transactional=True)
    assert (job.state, job.failures, effects()) == ("dead", 1, [])


def test_an_error_after_a_commit_says_what_was_committed(run):
    """The handler's own error would hide that its effects stay."""

    def handler():
        write("before")
        sql("COMMIT")
        raise ValueError("too late")

    (job,) = run(handler, transactional=True)
    assert (job.state, job.failures, effects()) == ("dead", 1, ["before"])
    assert "TransactionLeftOpen" in job.error
    assert "too late" in Attempt.objects.get().traceback


def test_an_atomic_block_left_open_in_a_transactional_kind_is_a_failure(run):
    """Not a success that is rolled back, nor a loss."""
    left, after = run(block_left, write, transactional=True)
    assert (left.state, left.failures, left.losses) == ("dead", 1, 0)
    assert "left a database transaction open" in left.error
    assert (after.state, effects()) == ("succeeded", ["written"])


def test_what_a_handler_may_do_in_a_transaction_is_no_failure(run, subtests):
    """Savepoints of its own, blocks of its own, and manual transactions that are over."""

    def savepoints():
        sql("SAVEPOINT a")
        write("gone")
        sql("ROLLBACK TO SAVEPOINT a", "RESET ALL", "SET TimeZone = 'Asia/Tokyo'")
        write()

    def over():
        connection.set_autocommit(False)
        write()
        connection.commit()

    def over_and_closed():
        over()
        connection.close()

    for handler, transactional in ((savepoints, True), (over, False), (over_and_closed, False)):
        with subtests.test(handler.__name__):
            job, after = run(handler, write, transactional=transactional)
            assert (job.state, job.error, after.state) == ("succeeded", "", "succeeded")
            assert effects() == ["written", "written"]
            Effect.objects.all().delete()


CHANGES = {
    "SET statement_timeout = '1ms'": "SHOW statement_timeout",
    "SET lock_timeout = '1ms'": "SHOW lock_timeout",
    "SET synchronous_commit = off": "SHOW synchronous_commit",
    "SET search_path = pg_catalog": "SHOW search_path",
    "SET TimeZone = 'Asia/Tokyo'": "SHOW TimeZone",
    "SET DateStyle = 'German'": "SHOW DateStyle",
    "SET default_transaction_isolation = 'serializable'": "SHOW default_transaction_isolation",
    "SET default_transaction_read_only = on": "SHOW default_transaction_read_only",
    "SELECT set_config('work_mem', '64kB', false)": "SHOW work_mem",
    "SELECT 1; SET work_mem = '64kB'": "SHOW work_mem",
    "/* a */ -- b\n SET work_mem = '64kB'": "SHOW work_mem",
    "DO $$ BEGIN SET work_mem = '64kB'; END $$": "SHOW work_mem",
    "DISCARD ALL": "SHOW TimeZone",
    "SET ROLE pg_monitor": "SELECT current_user",
    "SET SESSION AUTHORIZATION pg_monitor": "SELECT session_user",
    "LISTEN somebody": "SELECT count(*) FROM pg_listening_channels()",
    "SELECT pg_advisory_lock(7)": (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    ),
    "CREATE TEMP TABLE celeriac_jobs_job (id int)": "SELECT 'celeriac_jobs_job'::regclass::oid",
    "SELECT 1 AS id INTO TEMPORARY TABLE celeriac_jobs_queue": (
        "SELECT 'celeriac_jobs_queue'::regclass::oid"
    ),
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1": "SELECT count(*) FROM pg_cursors",
}


def asked(question):
    """Return what the session answers."""
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def test_a_changed_session_is_set_back_for_the_next_job(run, subtests):
    """By Django's cursor or the driver's own connection, in a transaction or not."""

    def by_django(statement):
        return lambda: sql(statement)

    def by_driver(statement):
        return lambda: connection.connection.execute(statement)

    for number, (statement, question) in enumerate(CHANGES.items()):
        with subtests.test(statement):
            found = asked(question)
            pid = asked("SELECT pg_backend_pid()")
            answers = []
            change = (by_driver if number % 2 else by_django)(statement)
            transactional = number % 3 == 0 and statement not in ("DISCARD ALL",)
            changed, _ = run(change, lambda: None, transactional=transactional)
            run(lambda question=question, answers=answers: answers.append(asked(question)))
            assert answers == [found], changed.error
            # psycopg before 3.2 goes on to use the statements that were discarded: it is replaced.
            is_replaced = changed.state == "dead" or (statement == "DISCARD ALL" and IS_OLD)
            assert asked("SELECT pg_backend_pid()") == pid or is_replaced


def test_names_that_a_handler_gave_are_free_for_the_next_job(run, subtests):
    """A statement that it prepared, a cursor that outlives its transaction, a procedure's call."""

    def prepared():
        sql("PREPARE mine AS SELECT 1")

    def held():
        kept.append(connection.connection.cursor(name="mine", withhold=True))
        kept[-1].execute("SELECT generate_series(1, 9)")

    def called():
        with connection.cursor() as cursor:
            cursor.callproc("set_config", ["statement_timeout", "1ms", False])
            assert asked("SHOW statement_timeout") == "1ms"

    def untouched():
        assert asked("SHOW statement_timeout") == "0"

    kept = []
    for first, second in ((prepared, prepared), (held, held), (called, untouched)):
        with subtests.test(first.__name__):
            rows = run(first, second, lambda: None)
            assert [(row.state, row.error) for row in rows] == [("succeeded", "")] * 3
            for each in kept:
                each._close()  # here alone: it is gone on the server


def test_the_sessions_prepared_statements_stay(run):
    """DISCARD ALL would drop those of the hot path, and a new connection has none."""
    run(lambda: None)
    prepared = "SELECT count(*) FROM pg_prepared_statements"
    before = asked(prepared)
    run(lambda: sql("SET statement_timeout = '1ms'"))
    assert asked(prepared) >= before > 0


def test_a_statement_timeout_of_one_job_kills_no_neighbour_of_its_doorbell(run):
    """The session is set back before the next handler, not at the doorbell's end."""

    def slow():
        sql("SELECT pg_sleep(0.05)")

    first, second = run(lambda: sql("SET statement_timeout = '1ms'"), slow)
    assert (first.state, second.state) == ("succeeded", "succeeded")


def test_a_driver_that_was_reset_is_replaced(run, subtests):
    """Rows as dictionaries, another isolation or a session that may only read."""

    def rows():
        connection.connection.row_factory = psycopg.rows.dict_row

    def isolation():
        connection.connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE

    def reads():
        connection.connection.read_only = True

    def autocommit():
        connection.connection.autocommit = False

    def deferrable():
        connection.connection.deferrable = True

    def cursors():
        connection.connection.cursor_factory = psycopg.RawCursor

    changes = (rows, isolation, reads, autocommit, deferrable, *(() if IS_OLD else (cursors,)))
    for change in changes:
        with subtests.test(change.__name__):
            changed, after = run(change, write)
            assert (changed.state, after.state, effects()) == (
                "succeeded",
                "succeeded",
                ["written"],
            )
            Effect.objects.all().delete()


def test_what_can_not_be_set_back_changes_no_ending(run):
    """Nobody can tell the state of such a connection, so the handler has failed; that is kept."""

    def handler():
        write()
        connection.connection.cursor_factory = lambda *_: None

    with pytest.raises(TypeError, match="must be a class"):
        run(handler)
    job = Job.objects.get()
    assert (job.state, job.losses, job.error) == ("dead", 0, f"TypeError: {NO_CLASS}")


def test_no_success_is_written_whose_transaction_rolled_back(run, monkeypatch):
    """Its commit failed, and then what it left behind could not be looked at either."""

    def handler():
        write()
        sql(
            "INSERT INTO auth_permission (name, content_type_id, codename)"
            " VALUES ('x', 999999, 'x')"
        )
        monkeypatch.setattr(socket, "getdefaulttimeout", lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        run(handler, transactional=True)
    job = Job.objects.get()
    assert (job.state, effects()) == ("dead", [])
    assert "violates foreign key constraint" in job.error


def test_a_success_stays_one_where_setting_back_fails(run, monkeypatch):
    """The handler has run, and its job must not run again for that."""

    def handler():
        write()
        monkeypatch.setattr(socket, "getdefaulttimeout", lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        run(handler)
    assert (Job.objects.get().state, effects()) == ("succeeded", ["written"])


def test_a_backoff_that_breaks_makes_no_run_undone(run):
    """Its process must end and its job is charged; it went back as if it had never started."""

    class Broken(Backoff):
        def delay(self, failures, **_):
            raise ZeroDivisionError

    def handler():
        write()
        raise ValueError

    with pytest.raises(execute.UnfitProcess):
        run(handler, retry=Broken())
    job = Job.objects.get()
    assert (job.state, job.attempt, effects()) == ("running", 1, ["written"])


def test_wrappers_around_statements_do_not_outlive_their_job(run):
    """One that was left raises in every statement of the platform's, too; a test's own stays."""

    def refuse(execute, sql, params, many, context):
        raise ValueError("not here")

    def leave():
        connection.execute_wrappers.append(refuse)

    def watch(execute, sql, params, many, context):
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        left, after = run(leave, write)
        assert connection.execute_wrappers == [watch]
    assert (left.state, after.state, effects()) == ("succeeded", "succeeded", ["written"])


def test_a_success_is_durable_whatever_its_session_was_told(run, monkeypatch):
    """The settle of a transactional kind commits in the handler's own session."""
    told = []
    original = execute.perform_run
    monkeypatch.setattr(execute, "perform_run", original)

    def handler():
        sql("SET synchronous_commit = off")
        transaction.on_commit(lambda: None)
        told.append(asked("SHOW synchronous_commit"))

    commit = connection._commit

    def look_and_commit():
        with connection.connection.cursor() as cursor:
            told.append(cursor.execute("SHOW synchronous_commit").fetchone()[0])
        commit()

    monkeypatch.setattr(connection, "_commit", look_and_commit)
    (job,) = run(handler, transactional=True)
    assert (job.state, told) == ("succeeded", ["off", "on"])
