"""A database that goes away under a run: the job pays nothing, and no handler hides behind it."""

import time
from functools import partial
from itertools import count

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from celeriac import Backoff, GiveUp, Retry, Snooze, current_job, enqueue
from celeriac.core import clock
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.operating import operate
from celeriac.jobs.running import execute, outage
from tests.app.models import Effect

pytestmark = pytest.mark.django_db(transaction=True)

ONCE = Backoff(max_attempts=1)


@pytest.fixture
def run(worker_context, declare, make_job):
    """Return a function that runs a handler once, or a job of its kind again; the row after it."""
    kinds = count()

    def run(handler=None, job=None, **policy):
        if handler is not None:
            kind = f"test.kind{next(kinds)}"
            declare(handler, name=kind, retry=policy.pop("retry", ONCE), **policy)
            job = make_job(kind)
        Job.objects.filter(pk=job.pk).update(run_at=clock.Now())
        fresh = execute.WorkerContext(
            worker=worker_context.worker, capabilities=execute.capabilities()
        )
        execute.answer_doorbell([job.id], context=fresh)
        return Job.objects.get(pk=job.pk)

    return run


def other():
    """Return a connection to the same database that nobody else knows."""
    hidden = ("context", "cursor_factory")
    given = connection.get_connection_params().items()
    return psycopg.connect(**{name: value for name, value in given if name not in hidden})


def terminate():
    """End this thread's session from outside, as an administrator or a restart does."""
    with other() as administrator:
        pid = connection.connection.info.backend_pid
        administrator.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def orm():
    """Write by the ORM."""
    Effect.objects.create(name="written")


def in_block():
    """Write in a block of the handler's own."""
    with transaction.atomic():
        orm()


def swallowed():
    """Hide what happened behind an error of another class."""
    try:
        orm()
    except OperationalError:
        raise ValueError("the shop is closed") from None


def asks_again():
    """Ask for another run, as Celery's tasks do."""
    try:
        orm()
    except OperationalError as error:
        raise Retry(0.01, error) from None


async def awaits():
    """Write from a coroutine."""
    await Effect.objects.acreate(name="written")


WAYS = {
    "orm": orm,
    "atomic": in_block,
    "another error": swallowed,
    "retry": asks_again,
    "coroutine": awaits,
    "progress": lambda: current_job().progress(1, 2),
    "should_stop": lambda: current_job().should_stop(),
    "child": lambda: current_job().enqueue("child", "test.noop", {}),
    "enqueue": lambda: enqueue("test.noop", {}, unique_key="k"),
    "nothing more": lambda: None,
}


@pytest.mark.parametrize("transactional", [False, True], ids=["plain", "transactional"])
def test_a_session_that_is_ended_costs_the_job_nothing(run, subtests, transactional):
    """However the handler uses the database, and in whatever class its error comes."""

    def ended_in(way):
        def handler():
            terminate()
            return WAYS[way]()

        return handler

    for way in WAYS:
        if way == "nothing more" and not transactional:
            continue  # then it has succeeded
        with subtests.test(way):
            job = run(ended_in(way), transactional=transactional)
            assert (job.state, job.failures, job.losses, job.cuts) == ("queued", 0, 0, 1)
            assert job.wait_reason.startswith("the database went away: ")
            assert not Attempt.objects.exists()
            assert not Effect.objects.exists()


def test_an_outage_costs_nothing_and_counts_for_nothing(run, monkeypatch, postgres_server):
    """Nobody can connect meanwhile, so that it is no handler's doing, however often."""
    connect = outage._count

    def connect_and_start(job):
        found = connect(job)
        postgres_server.start()
        return found

    def handler():
        Job.objects.update(cuts=2)
        postgres_server.stop()
        Effect.objects.create(name="written")

    monkeypatch.setattr(outage, "_count", connect_and_start)
    job = run(handler)
    assert (job.state, job.failures, job.losses, job.cuts) == ("queued", 0, 0, 2)


def put_away():
    """Give the connection back, as handlers do before a long call, and ask for another."""
    connection.close()
    orm()


def put_away_in_a_coroutine():
    """The same, by Django's async ORM."""
    connection.close()
    return awaits()


def put_away_and_wrapped():
    """The same, behind an error of another class."""
    try:
        put_away()
    except OperationalError as error:
        raise ValueError("the shop is closed") from error


def test_nobody_pays_where_a_new_connection_can_not_be_had(run, monkeypatch, subtests):
    """The run had put its own away, so that no connection of its own broke."""
    connect = outage._count

    def connect_and_open(job):
        found = connect(job)
        connection.settings_dict["PORT"] = port
        return found

    monkeypatch.setattr(outage, "_count", connect_and_open)
    port = connection.settings_dict["PORT"]
    for way in (put_away, put_away_in_a_coroutine, put_away_and_wrapped):
        with subtests.test(way.__name__):

            def handler(way=way):
                connection.settings_dict["PORT"] = "1"
                return way()

            try:
                job = run(handler)
            finally:
                connection.settings_dict["PORT"] = port
            assert (job.state, job.failures, job.losses, job.cuts) == ("queued", 0, 0, 0)
            assert job.wait_reason.startswith("the database went away: ")


def test_a_handler_that_breaks_its_connection_each_time_ends(run):
    """The third run in a row is a failure, and so is each one after it."""

    def handler():
        connection.connection.close()
        Effect.objects.create(name="written")

    two = Backoff(max_attempts=2, base=0.01, cap=0.01)
    for transactional in (False, True):
        seen = []
        job = run(handler, transactional=transactional, retry=two)
        for _ in range(3):
            seen.append((job.state, job.failures, job.cuts))
            job = run(job=job)
        assert seen == [("queued", 0, 1), ("queued", 0, 2), ("queued", 1, 3)]
        assert (job.state, job.failures) == ("dead", 2)
        assert "connection is closed" in job.error
    operate.retry(job.id, reason="repaired")
    job.refresh_from_db()
    assert job.cuts == 0


def test_runs_that_meet_the_same_cut_come_back_at_different_moments(run_in_context):
    """Around a second later: what cuts each half second does not meet the same runs three times."""

    def handler():
        connection.connection.close()
        Effect.objects.create(name="written")

    before = time.time()
    jobs, _ = run_in_context(*[handler] * 8)
    waits = sorted(job.run_at.timestamp() - before for job in jobs)
    assert waits[-1] - waits[0] > 0.1
    assert waits[0] >= 0.5
    assert waits[-1] <= time.time() - before + 1.5


def test_any_other_ending_starts_the_count_anew(run):
    """Only runs in a row say that it is the handler."""
    ways = [terminate, terminate, partial(fail, "other"), terminate, snooze, terminate]

    def handler():
        ways.pop(0)()
        orm()

    job = run(handler, retry=Backoff(max_attempts=5, base=0.01, cap=0.01))
    seen = [(job.cuts, job.failures)]
    while ways:
        job = run(job=job)
        seen.append((job.cuts, job.failures))
    assert seen == [(1, 0), (2, 0), (0, 1), (1, 1), (0, 1), (1, 1)]


def snooze():
    """Come back later."""
    raise Snooze(0)


def fail(words):
    """Fail."""
    raise ValueError(words)


def own_connection():
    """Lose a connection that the ledger knows nothing of."""
    with other() as mine:
        mine.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def own_after_close():
    """The same, with the ledger's connection put away meanwhile."""
    connection.close()
    own_connection()


def nobody_there():
    """Connect where no server is."""
    psycopg.connect("host=127.0.0.1 port=1 connect_timeout=2")


def verdict():
    """Give up for want of the database."""
    terminate()
    try:
        orm()
    except OperationalError as error:
        raise GiveUp("not without it") from error


def statement(text, *more):
    """Return a handler that executes text."""

    def execute():
        with connection.cursor() as cursor:
            cursor.execute(text)
            for each in more:
                each(cursor)

    return execute


def in_transaction_idle(cursor):
    """Stay idle in a transaction for longer than it may."""
    with transaction.atomic():
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '20ms'")
        time.sleep(0.2)
        cursor.execute("SELECT 1")


def wait_for_a_lock(cursor):
    """Wait for a row that somebody else holds."""
    with other() as holder:
        holder.execute("LOCK TABLE test_effect")
        cursor.execute("SET lock_timeout = '20ms'")
        cursor.execute("DELETE FROM test_effect")


def meet_a_deadlock(cursor):
    """Be the victim of a deadlock."""
    cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$")


OWN = {
    "own connection": own_connection,
    "own connection, ours put away": own_after_close,
    "another server": nobody_there,
    "verdict": verdict,
    "statement timeout": statement("SET statement_timeout = '20ms'; SELECT pg_sleep(2)"),
    "lock timeout": statement("SELECT 1", wait_for_a_lock),
    "deadlock": statement("SELECT 1", meet_a_deadlock),
    "idle in transaction": statement("SELECT 1", in_transaction_idle),
    "slow answer": statement("SELECT pg_sleep(5)"),
}


def test_what_the_handler_does_to_itself_is_its_failure(run, subtests):
    """Another database's absence, a verdict, and whatever waited for too long."""
    for way, handler in OWN.items():
        with subtests.test(way):
            job = run(handler, timeout=0.2 if way == "slow answer" else 30)
            assert (job.state, job.failures, job.cuts) == ("dead", 1, 0)


def test_a_limit_that_struck_while_nobody_answered_is_the_outages(run, monkeypatch):
    """A server that hangs keeps its handlers waiting: that it can't be had tells it apart."""
    monkeypatch.setattr(outage, "_count", lambda job: None)
    job = run(OWN["slow answer"], timeout=0.2)
    assert (job.state, job.failures) == ("queued", 0)


def test_a_session_that_can_only_read_costs_nothing(run):
    """After a failover it is on a reader; a new one finds the writer."""

    def handler():
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        Effect.objects.create(name="written")

    job = run(handler)
    assert (job.state, job.failures, job.cuts) == ("queued", 0, 1)
