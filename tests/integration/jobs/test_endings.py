"""Handlers that end in unkind ways: whatever they do, their neighbours pay nothing."""

import asyncio
import os
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from celeriac import Backoff, Snooze, current_job
from celeriac.jobs import registry
from celeriac.jobs.models import Job
from celeriac.jobs.running import execute, finish, sessions, worker_context as claiming
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.settle import settle_runs
from tests.app.models import Effect

SOON = Backoff(max_attempts=3, base=0.01, cap=0.05)


@pytest.fixture
def ring(worker_context, make_job):
    """Return a function that runs one job of a kind between two harmless neighbours."""

    def ring(kind):
        jobs = [make_job("test.noop"), make_job(kind), make_job("test.noop")]
        fresh = execute.WorkerContext(
            worker=worker_context.worker, capabilities=execute.capabilities()
        )
        execute.answer_doorbell([job.id for job in jobs], context=fresh)
        for job in jobs:
            job.refresh_from_db()
        assert [jobs[0].state, jobs[2].state] == ["succeeded", "succeeded"]
        return jobs[1]

    return ring


@pytest.mark.django_db(transaction=True)
def test_a_constraint_checked_at_commit_is_the_handlers_failure(declare, ring):
    """Django's foreign keys are deferred: the commit of a transactional kind is where they fail."""

    def handler():
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO celeriac_jobs_attempt"
                " (job_id, number, outcome, started_at, finished_at)"
                " VALUES (gen_random_uuid(), 1, 'failed', now(), now())"
            )
            cursor.execute(
                "INSERT INTO django_admin_log (action_time, object_repr, action_flag,"
                " change_message, user_id) VALUES (now(), 'x', 1, '', gen_random_uuid())"
            )

    declare(handler, transactional=True, retry=SOON)
    job = ring("test.kind")
    assert (job.state, job.failures) == ("queued", 1)
    assert "IntegrityError" in job.error


@pytest.mark.django_db(transaction=True)
def test_an_error_swallowed_in_a_transaction_is_the_handlers_failure(declare, ring):
    """The transaction is broken, so nothing can be completed in it, however often it runs."""

    def handler():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1/0")
        except Exception:
            return

    declare(handler, transactional=True, retry=SOON)
    job = ring("test.kind")
    assert (job.state, job.failures) == ("queued", 1)


@pytest.mark.django_db(transaction=True)
def test_a_transaction_left_open_is_a_failure_and_is_not_joined(declare, ring):
    """Whatever is settled next must not depend on a commit that never comes."""
    left = []

    def handler():
        left.append(transaction.atomic())
        left[0].__enter__()
        Effect.objects.create(name="in limbo")

    declare(handler, retry=SOON)
    job = ring("test.kind")
    assert (job.state, job.failures) == ("queued", 1)
    assert "transaction" in job.error
    assert not connection.in_atomic_block
    assert not Effect.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_progress_leaves_the_handlers_commit_synchronous(declare, ring):
    """What a handler commits must outlive a crash, whatever else it reported."""
    seen = []

    def look():
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            seen.append(cursor.fetchone()[0])

    def handler():
        current_job().progress(1, 1)
        look()
        with transaction.atomic():
            current_job().progress(1, 1)
            look()

    declare(handler, retry=SOON)
    assert ring("test.kind").state == "succeeded"
    registry.forget_kind("test.kind")
    declare(handler, transactional=True, retry=SOON)
    assert ring("test.kind").state == "succeeded"
    assert seen == ["on"] * 4


@pytest.mark.django_db(transaction=True)
def test_an_error_with_half_a_surrogate_pair_is_a_failure(declare, ring):
    """Names of files that are not UTF-8 come like that."""

    def handler():
        raise FileNotFoundError("caf\udce9.txt is missing")

    declare(handler, retry=SOON)
    job = ring("test.kind")
    assert (job.state, job.failures) == ("queued", 1)
    assert "caf" in job.error


class Mute(Exception):
    """An error that can't be shown."""

    def __str__(self):
        raise RuntimeError("no words")


class Late(Exception):
    """An error that asks for too much."""

    retry_after = 10**400


class Elusive(Exception):
    """An error whose wish can't be read."""

    @property
    def retry_after(self):
        """Fail."""
        raise RuntimeError("ask again")


class Later(Snooze):
    """A snooze that was not made as it must be."""

    def __init__(self):
        """Forget the seconds."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [Mute, Late, Elusive, Later, asyncio.CancelledError])
def test_an_unkind_error_is_a_failure_like_any_other(declare, ring, error):
    """Neither its text nor its base class may keep the doorbell from being settled."""

    def handler():
        raise error

    declare(handler, retry=SOON)
    job = ring("test.kind")
    assert (job.state, job.failures) == ("queued", 1)
    assert error.__name__ in job.error


@pytest.mark.django_db(transaction=True)
def test_an_interrupt_settles_what_had_ended(declare, make_job, worker_context):
    """The one that was interrupted stays with its claim: nobody may call it released."""

    def handler():
        raise KeyboardInterrupt

    declare(handler, retry=SOON)
    jobs = [make_job("test.noop"), make_job("test.kind"), make_job("test.noop")]
    fresh = execute.WorkerContext(worker=worker_context.worker, capabilities=execute.capabilities())
    with pytest.raises(KeyboardInterrupt):
        execute.answer_doorbell([job.id for job in jobs], context=fresh)
    states = [Job.objects.get(pk=job.id).state for job in jobs]
    assert states == ["succeeded", "running", "queued"]


@pytest.mark.django_db(transaction=True)
def test_a_connection_of_another_database_is_left_to_django(declare, ring, monkeypatch):
    """Its raw connection knows nothing of PostgreSQL."""
    closed = []
    other = SimpleNamespace(
        in_atomic_block=False,
        autocommit=True,
        connection=SimpleNamespace(),
        alias="legacy",
        execute_wrappers=[],
        close=lambda: closed.append(True),
        get_autocommit=lambda: True,
        close_if_unusable_or_obsolete=lambda: None,
    )
    everything = SimpleNamespace(all=lambda initialized_only: [connection, other])
    monkeypatch.setattr(sessions, "connections", everything)
    assert ring("test.noop").state == "succeeded"
    assert not closed


@pytest.mark.django_db(transaction=True)
def test_a_fork_that_leaves_by_sys_exit_does_not_go_on_as_a_worker(declare, ring, tmp_path):
    """Only the process that started the handler may say how it ended."""

    def handler():
        child = os.fork()
        if child == 0:
            raise SystemExit(3)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    declare(handler, retry=SOON)
    job = ring("test.kind")
    assert (job.state, job.result) == ("succeeded", 3)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("args", [{"number": 1}, None])
def test_a_hook_that_can_not_be_enqueued_keeps_no_death_from_being_written(declare, ring, args):
    """Its kind is unknown, or takes other arguments: the job is dead all the same."""

    def handler():
        raise ValueError("no luck")

    hook = "test.noop" if args else "test.no_such_kind"
    declare(handler, retry=Backoff(max_attempts=1), on_dead=hook)
    assert ring("test.kind").state == "dead"


def test_backoff_says_at_once_that_its_errors_are_no_tuple():
    """isinstance() would say so at the first failure only."""
    with pytest.raises(ValueError, match="retry_on"):
        Backoff(retry_on=[IntegrityError])


@pytest.mark.django_db(transaction=True)
def test_a_settle_outlasts_a_database_that_was_demoted(make_job, answer, monkeypatch):
    """A failover leaves the connection on a standby: that is no fault of the outcome's."""
    job = make_job("test.noop")
    tries = []

    def demote(entries):
        tries.append(entries)
        if len(tries) == 1:
            with connection.cursor() as cursor:
                cursor.execute("SET default_transaction_read_only = on")
        return settle_runs(entries)

    monkeypatch.setattr(finish, "settle_runs", demote)
    answer(job)
    job.refresh_from_db()
    assert (job.state, job.error, len(tries)) == ("succeeded", "", 2)


@pytest.mark.django_db(transaction=True)
def test_a_claim_whose_answer_got_lost_is_taken_up(make_job, answer, monkeypatch):
    """It was committed before the connection broke: its jobs never ran, and count no loss."""
    job = make_job("test.noop")
    tries = []

    def lose_answer(*args, **kwargs):
        tries.append(claim_jobs(*args, **kwargs))
        if len(tries) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return tries[-1]

    monkeypatch.setattr(claiming, "claim_jobs", lose_answer)
    answer(job)
    job.refresh_from_db()
    assert (job.state, job.attempt, job.losses) == ("succeeded", 1, 0)
