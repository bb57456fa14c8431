"""What counts as "the database is away", over errors as PostgreSQL and psycopg give them."""

import socket

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.utils import DatabaseErrorWrapper

from celeriac.core.database_errors import is_away

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(database_url):
    """Yield a raw session of its own."""
    with psycopg.connect(database_url, autocommit=True) as raw:
        yield raw


@pytest.fixture
def other(database_url):
    """Yield another one."""
    with psycopg.connect(database_url, autocommit=True) as raw:
        yield raw


def error_of(call, *arguments, **options):
    """Return the error of a call, in the class that Django gives it."""
    with pytest.raises((DatabaseError, InterfaceError)) as caught, DatabaseErrorWrapper(connection):
        call(*arguments, **options)
    return caught.value


def terminated(session, other):
    """The connection was ended by an administrator."""
    other.execute("SELECT pg_terminate_backend(%s)", [session.info.backend_pid])
    return error_of(session.execute, "SELECT 1")


def used_when_closed(session, other):
    """It is used once more, after that."""
    terminated(session, other)
    return error_of(session.execute, "SELECT 1")


def written_on_a_reader(session, other):
    """The node became a reader."""
    session.execute("SET default_transaction_read_only = on")
    return error_of(session.execute, "UPDATE celeriac_jobs_queue SET name = name")


def prepared_nowhere(session, other):
    """A pooler handed out a session that never saw our statement."""
    return error_of(session.execute, "EXECUTE nothing")


def prepared_twice(session, other):
    """A pooler handed out a session that saw it already."""
    session.execute("PREPARE twice AS SELECT 1")
    return error_of(session.execute, "PREPARE twice AS SELECT 1")


def nobody_listens(session, other):
    """The server is down."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return error_of(psycopg.connect, f"host=127.0.0.1 port={free.getsockname()[1]} user=x")


def no_such_host(session, other):
    """Its name is not known (yet), and is like words in errors of another sort."""
    return error_of(psycopg.connect, "host=pipeline-cursor.invalid user=x", connect_timeout=2)


def no_such_database(session, other):
    """It is being restored."""
    info = session.info
    return error_of(
        psycopg.connect, host=info.host, port=info.port, user=info.user, dbname="nowhere"
    )


def nobody_answers(session, other):
    """A firewall drops what we send."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        return error_of(psycopg.connect, f"host=127.0.0.1 port={port} user=x", connect_timeout=2)


def too_many(session, other):
    """The role has no connection left."""
    try:
        session.execute("RESET ROLE")
        session.execute("DROP ROLE IF EXISTS crowd")
        session.execute("CREATE ROLE crowd LOGIN PASSWORD 'crowd' CONNECTION LIMIT 0")
        info = session.info
        options = {"host": info.host, "port": info.port, "dbname": info.dbname}
        return error_of(psycopg.connect, **options, user="crowd", password="crowd")
    finally:
        session.execute("DROP ROLE IF EXISTS crowd")


AWAY = [
    *(terminated, used_when_closed, written_on_a_reader, prepared_nowhere, prepared_twice),
    *(nobody_listens, no_such_host, no_such_database, nobody_answers, too_many),
]


@pytest.mark.parametrize("happens", AWAY, ids=lambda function: function.__name__)
def test_away(happens, session, other):
    """A connection that is lost or refused, or a session that can not work, is an outage."""
    assert is_away(happens(session, other))


def waited_too_long(session, other):
    """The statement took longer than it may."""
    session.execute("SET statement_timeout = 20")
    return error_of(session.execute, "SELECT pg_sleep(5)")


def waited_for_a_lock(session, other):
    """So did its wait for a lock."""
    with other.transaction():
        other.execute("LOCK TABLE celeriac_jobs_queue")
        session.execute("SET lock_timeout = 20")
        return error_of(session.execute, "LOCK TABLE celeriac_jobs_queue")


def idled_in_a_transaction(session, other):
    """The transaction stood still for longer than it may."""
    session.execute("SET idle_in_transaction_session_timeout = 20")
    session.execute("BEGIN")
    pid = session.info.backend_pid
    gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)"
    while not other.execute(gone, [pid]).fetchone()[0]:
        pass
    return error_of(session.execute, "SELECT 1")


def broken_off(session, other):
    """An earlier statement of the transaction failed."""
    session.execute("BEGIN")
    error_of(session.execute, "SELECT nothing")
    return error_of(session.execute, "SELECT 1")


def not_there(session, other):
    """The table is not there."""
    return error_of(session.execute, "SELECT FROM nowhere")


def not_unique(session, other):
    """The row is there already."""
    session.execute("CREATE TEMP TABLE once (id int PRIMARY KEY)")
    session.execute("INSERT INTO once VALUES (1)")
    return error_of(session.execute, "INSERT INTO once VALUES (1)")


def too_many_parameters(session, other):
    """The statement can not be sent."""
    marks = ",".join(["%s"] * 70_000)
    return error_of(session.execute, f"SELECT 1 WHERE 1 IN ({marks})", list(range(70_000)))


def cursor_closed(session, other):
    """The cursor was closed by its user."""
    cursor = session.cursor()
    cursor.close()
    return error_of(cursor.execute, "SELECT 1")


HERE = [
    *(waited_too_long, waited_for_a_lock, idled_in_a_transaction, broken_off),
    *(not_there, not_unique, too_many_parameters, cursor_closed),
]


@pytest.mark.parametrize("happens", HERE, ids=lambda function: function.__name__)
def test_not_away(happens, session, other):
    """What a statement or its transaction did is nothing of the kind."""
    assert not is_away(happens(session, other))


def test_an_error_that_came_from_the_loss_of_the_database_counts_too(session, other):
    """Handlers wrap errors in their own."""
    error = terminated(session, other)

    def handler():
        try:
            raise error
        except OperationalError:
            raise ValueError("nothing came back")  # noqa: B904 as people write it

    with pytest.raises(ValueError, match="nothing came back") as caught:
        handler()
    assert is_away(caught.value)


def test_what_can_not_go_on_in_its_transaction_is_away(database_url):
    """Django refuses to connect anew inside a transaction that was lost."""

    def lose_it():
        with transaction.atomic():
            connection.close()
            connection.cursor()

    assert is_away(error_of(lose_it))
    connection.in_atomic_block = connection.closed_in_transaction = False


@pytest.mark.parametrize(
    "error", [ValueError("connection lost"), OSError(104, "reset"), KeyError()]
)
def test_what_no_database_raised_is_not_away(error):
    """Words alone make no outage."""
    assert not is_away(error)
