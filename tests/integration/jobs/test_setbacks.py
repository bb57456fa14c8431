"""Doorbells that can't be answered: what is held is kept, and the process gets well or ends."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest
from celery.exceptions import Ignore, WorkerShutdown
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from celeriac import Backoff
from celeriac.celery import doorbells
from celeriac.core import clock
from celeriac.jobs import invalid_messages, nudge
from celeriac.jobs.models import Job
from celeriac.jobs.running import (
    child_checks,
    execute,
    finish,
    perform,
    turns,
    worker_context as claiming,
)
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.setbacks import Setbacks, UnfitProcess
from celeriac.jobs.running.worker_context import WorkerContext, capabilities
from celeriac.settings import conf
from tests.app.models import Effect
from tests.support.slots import traces

pytestmark = pytest.mark.django_db(transaction=True)

LATER = datetime.now(UTC) + timedelta(hours=1)
ONCE = {"retry": Backoff(max_attempts=1), "max_losses": 1}


class Pauses(list):
    """The pauses that a process takes, in seconds; they take no time."""

    def __init__(self):
        """Do nothing in them."""
        super().__init__()
        self.after = {}  # what happens elsewhere, by the number of pauses before it

    def __call__(self, seconds):
        """Take a pause."""
        self.append(seconds)
        self.after.get(len(self), lambda: None)()


@pytest.fixture
def pauses():
    """Return the pauses that the desk takes."""
    return Pauses()


@pytest.fixture
def worker_context(tmp_path, pauses):
    """Return a desk whose slot is watched."""
    slot = FileJournal(tmp_path)
    yield WorkerContext(uuid4(), capabilities(), slot, setbacks=Setbacks(pause=pauses))
    slot.abandon()


@pytest.fixture
def run(worker_context, declare, make_job):
    """Return a function that runs one job with this handler, and gives the job back."""

    def run(handler, **policy):
        kind = declare(handler, **policy)
        worker_context.capabilities = capabilities()
        job = make_job(kind.name)
        execute.answer_doorbell([job.id], context=worker_context)
        job.refresh_from_db()
        return job

    return run


@pytest.fixture
def administer(database_url):
    """Return a function that executes a statement from another database of the server."""
    with psycopg.connect(database_url, autocommit=True, dbname="postgres") as raw:
        yield raw.execute


@pytest.fixture
def outage(administer, pauses):
    """Return a function that begins an outage, which ends after so many pauses."""
    name = connection.settings_dict["NAME"]

    def end():
        administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    def begin(count):
        pauses.after[count] = end
        administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        gone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        administer(gone, [name])

    yield begin
    end()


@pytest.fixture
def lose_answers(monkeypatch):
    """Return a function that lets claims be made, and their answers be lost, so often."""

    def lose(count, meanwhile=lambda: None):
        tries = []

        def claim_and_lose(*args, **options):
            jobs = claim_jobs(*args, **options)
            tries.append(jobs)
            if len(tries) <= count:
                meanwhile()
                connection.connection.close()
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            return jobs

        monkeypatch.setattr(claiming, "claim_jobs", claim_and_lose)
        return tries

    return lose


def sql(*statements):
    """Return a handler that executes the statements in its session."""

    def handler():
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return handler


def row(job):
    """Return where the job stands: its state, runs, failures and losses."""
    job.refresh_from_db()
    return (job.state, job.attempt, job.failures, job.losses)


# -- a claim whose answer was lost -----------------------------------------------------------


def test_a_claim_is_kept_until_the_database_says_what_became_of_it(
    make_job, worker_context, pauses, lose_answers, outage
):
    """Nobody can connect for a while after the answer was lost: the job runs, and pays nothing."""
    job = make_job("test.note", {"name": "kept"}, max_attempts=1)
    tries = lose_answers(1, lambda: outage(7))
    execute.answer_doorbell([job.id], context=worker_context)
    assert row(job) == ("succeeded", 1, 0, 0)
    assert Effect.objects.count() == 1
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert tries[1] == []  # held already


def test_a_child_that_met_a_reader_goes_on_when_the_writer_is_back(
    make_job, worker_context, pauses, administer, caplog
):
    """It keeps its doorbell meanwhile, and says what may be the case."""
    job = make_job("test.note", {"name": "late"}, max_attempts=1)
    name = connection.settings_dict["NAME"]
    reset = f'ALTER DATABASE "{name}" RESET default_transaction_read_only'
    pauses.after[4] = lambda: administer(reset)
    administer(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    connection.close()
    try:
        execute.answer_doorbell([job.id], context=worker_context)
    finally:
        administer(reset)
    assert row(job) == ("succeeded", 1, 0, 0)
    assert len(pauses) == 4
    assert f"job {job.id} may be claimed, the answer was lost" in caplog.text
    assert "stay queued" not in caplog.text


def test_a_claim_is_vouched_for_while_nobody_knows_what_became_of_it(
    make_job, worker_context, pauses, lose_answers, tmp_path, outage
):
    """The watch lists it meanwhile, so that no dispatcher calls it lost."""
    job = make_job("test.noop")
    seen = []
    pauses.after[2] = lambda: seen.extend(traces(tmp_path))
    lose_answers(1, lambda: outage(3))
    (ran,) = execute.answer_doorbell([job.id], context=worker_context)
    assert [(trace.claim_id, trace.ids) for trace in seen] == [(ran.claim_id, (job.id,))]
    assert traces(tmp_path)[0].claim_id is None


def test_what_a_kept_claim_holds_is_released_when_the_worker_stops(
    make_job, worker_context, lose_answers
):
    """Nothing more is claimed then, and what is held goes back as if never claimed."""
    held, other = make_job("test.noop"), make_job("test.noop", state="queued")
    tries = lose_answers(1, lambda: None)
    worker_context.stopping = lambda: bool(tries)
    execute.answer_doorbell([held.id], context=worker_context)
    assert row(held) == ("queued", 0, 0, 0)
    assert (len(tries), row(other)[0]) == (1, "queued")


def test_a_claim_that_lands_after_it_was_given_up_is_released(
    make_job, worker_context, monkeypatch, pauses
):
    """The network may deliver the statement late: what it takes is charged nothing."""
    job = make_job("test.noop", max_attempts=1)
    sent = []

    def held_back(ids, **options):
        if not sent:
            sent.append((ids, options))
            raise psycopg.OperationalError("the connection timed out")
        if len(sent) == 1:
            sent.append(None)
            return []  # as if the row were locked by the first, which is still under way
        return claim_jobs(ids, **options)

    monkeypatch.setattr(claiming, "claim_jobs", held_back)
    settle = execute._settle

    def land(runs, worker_context):
        if len(sent) == 2:
            sent.append(claim_jobs(sent[0][0], **sent[0][1]))
        settle(runs, worker_context)

    monkeypatch.setattr(execute, "_settle", land)
    execute.answer_doorbell([job.id], context=worker_context)
    assert len(sent[2]) == 1
    assert row(job) == ("queued", 0, 0, 0)


def test_what_an_unfit_process_may_have_claimed_is_released_by_its_parent(
    make_job, worker_context, lose_answers, tmp_path, monkeypatch
):
    """Its handler never started, so a kind that allows no loss keeps its only life."""
    rung = []
    monkeypatch.setattr(nudge, "nudge_jobs", lambda *, ids: rung.append(list(ids)))
    jobs = [make_job("test.noop", max_attempts=1), make_job("test.noop", run_at=LATER)]
    monkeypatch.setattr(claiming, "claimed_jobs", lambda *args, **options: 1 / 0)
    lose_answers(1)
    with pytest.raises(UnfitProcess):
        execute.answer_doorbell([job.id for job in jobs], context=worker_context)
    worker_context.journal.abandon()  # as the end of the process does
    (trace,) = traces(tmp_path)
    assert child_checks.settle_dead_child([trace], {}, reason="its process ended")
    assert row(jobs[0]) == ("queued", 0, 0, 0)
    assert rung == [[jobs[0].id], [jobs[1].id]]  # one released, one that was never claimed


# -- a session that can't do its work --------------------------------------------------------

HARM = {
    "reads only": sql("SET default_transaction_read_only = on"),
    "hides the ledger": sql("CREATE TEMP TABLE celeriac_jobs_job (LIKE public.celeriac_jobs_job)"),
    "hides the queues": sql(
        "CREATE TEMP TABLE celeriac_jobs_queue "
        "(LIKE public.celeriac_jobs_queue INCLUDING DEFAULTS)",
        "INSERT INTO celeriac_jobs_queue (name, paused_at) VALUES ('default', now())",
    ),
    "sees another schema": sql("SET search_path = pg_catalog"),
    "lost its grants": sql("SET ROLE pg_monitor"),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=list(HARM))
def test_a_session_that_a_handler_spoilt_answers_the_next_doorbell(
    run, make_job, worker_context, harm
):
    """The connection is made anew; neither the job that did it nor the next one pays."""
    spoiler = run(harm, **ONCE)
    innocent = make_job("test.note", {"name": "innocent"}, max_attempts=1)
    execute.answer_doorbell([innocent.id], context=worker_context)
    assert row(innocent) == ("succeeded", 1, 0, 0)
    assert row(spoiler) == ("succeeded", 1, 0, 0)


def leave_wrapper(error):
    """Return a handler that leaves a wrapper around every statement, which raises `error`."""

    def wrap(execute, sql, params, many, context):
        raise error

    return lambda: connection.execute_wrappers.append(wrap)


@pytest.mark.parametrize("error", [ValueError("no more"), DatabaseError("no more")])
def test_a_wrapper_left_around_the_session_goes_with_it(run, make_job, worker_context, error):
    """Closing the connection would keep it: neither the settle nor the next claim would end."""
    spoiler = run(leave_wrapper(error), **ONCE)
    innocent = make_job("test.noop", max_attempts=1)
    execute.answer_doorbell([innocent.id], context=worker_context)
    assert [row(spoiler), row(innocent)] == [("succeeded", 1, 0, 0)] * 2


def test_the_neighbours_of_who_hides_the_ledger_are_settled(declare, make_job, worker_context):
    """What the spoilt session refuses is asked of another one."""
    declare(HARM["hides the ledger"], "test.spoil", **ONCE)
    worker_context.capabilities = capabilities()
    jobs = [make_job("test.spoil"), make_job("test.noop", max_attempts=1)]
    execute.answer_doorbell([job.id for job in jobs], context=worker_context)
    assert [row(job) for job in jobs] == [("succeeded", 1, 0, 0)] * 2


def test_an_empty_doorbell_costs_one_query_where_no_handler_had_the_session(
    make_job, worker_context
):
    """Doubled and stale doorbells are an everyday matter."""
    job = make_job("test.noop")
    execute.answer_doorbell([job.id], context=worker_context)
    execute.answer_doorbell([job.id], context=worker_context)  # looks what the session sees, once
    with CaptureQueriesContext(connection) as queries:
        execute.answer_doorbell([job.id], context=worker_context)
    assert len(queries) == 1


# -- a process that can't answer -------------------------------------------------------------


def test_a_process_that_can_not_claim_pauses_and_then_ends(
    make_job, worker_context, pauses, monkeypatch
):
    """Whatever the error is, doorbells are not eaten faster than healthy children take them."""
    job = make_job("test.noop")
    monkeypatch.setattr(claiming, "_claim_jobs", lambda *args: 1 / 0)
    with pytest.raises(UnfitProcess, match="ZeroDivisionError"):
        execute.answer_doorbell([job.id], context=worker_context)
    assert pauses == [0.1, 0.2, 0.4, 0.8]
    assert row(job) == ("queued", 0, 0, 0)


def test_a_process_that_can_not_connect_for_long_ends(make_job, tmp_path, outage):
    """Its own limit of open files may be the reason, while others connect well."""
    job = make_job("test.noop")
    slot = FileJournal(tmp_path)
    lone = WorkerContext(uuid4(), capabilities(), slot, setbacks=Setbacks(away_for=0.3))
    outage(1_000)
    with pytest.raises(UnfitProcess):
        execute.answer_doorbell([job.id], context=lone)
    slot.abandon()


def test_a_platform_error_gives_the_job_back_at_rest(
    make_job, worker_context, pauses, settings, monkeypatch
):
    """A broken setting is nobody's failure, and rings no job at full speed."""
    rung = []
    monkeypatch.setattr(nudge, "nudge_jobs", lambda *, ids: rung.extend(ids))
    job = make_job("test.noop", max_attempts=1)
    monkeypatch.setitem(vars(conf), "DOORBELL_BUDGET_SECONDS", "soon")
    with pytest.raises(TypeError):
        execute.answer_doorbell([job.id], context=worker_context)
    assert row(job) == ("queued", 0, 0, 0)
    assert job.wait_reason.startswith("its worker could not start it: TypeError")
    assert clock.db_now() < job.run_at < clock.db_now() + timedelta(seconds=turns.SPARED_FOR)
    assert (rung, pauses) == ([], [0.1])


def test_a_platform_error_around_the_handler_is_not_its_failure(
    make_job, worker_context, settings, monkeypatch
):
    """Before it the job goes back at rest; after it the result is dropped, and the work counts."""
    early, late = (make_job("test.large", max_attempts=1) for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(perform.tracing, "is_on", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            execute.answer_doorbell([early.id], context=worker_context)
    assert row(early) == ("queued", 0, 0, 0)
    assert early.run_at > clock.db_now()
    monkeypatch.setitem(vars(conf), "MAX_RESULT_BYTES", "many")
    execute.answer_doorbell([late.id], context=worker_context)
    assert row(late) == ("succeeded", 1, 0, 0)
    assert late.result is None


def test_platform_errors_in_a_row_end_the_process(make_job, worker_context, pauses, monkeypatch):
    """And an answered doorbell begins the row anew."""
    budget = conf.DOORBELL_BUDGET_SECONDS
    for _ in range(2):
        monkeypatch.setitem(vars(conf), "DOORBELL_BUDGET_SECONDS", "soon")
        for _ in range(4):
            with pytest.raises(TypeError):
                execute.answer_doorbell([make_job("test.noop").id], context=worker_context)
        monkeypatch.setitem(vars(conf), "DOORBELL_BUDGET_SECONDS", budget)
        execute.answer_doorbell([make_job("test.noop").id], context=worker_context)
    assert pauses == [0.1, 0.2, 0.4, 0.8] * 2
    monkeypatch.setitem(vars(conf), "DOORBELL_BUDGET_SECONDS", "soon")
    for _ in range(4):
        with pytest.raises(TypeError):
            execute.answer_doorbell([make_job("test.noop").id], context=worker_context)
    with pytest.raises(UnfitProcess):
        execute.answer_doorbell([make_job("test.noop").id], context=worker_context)


def test_what_ended_before_a_platform_error_keeps_its_outcome(
    make_job, worker_context, monkeypatch
):
    """Its neighbours go back."""
    jobs = [make_job("test.note", {"name": str(n)}, max_attempts=1) for n in range(3)]
    start, started = worker_context.journal.start, []

    def fail_second(job_id, hard_timeout):
        started.append(job_id)
        if len(started) == 2:
            raise OSError("no such slot")
        return start(job_id, hard_timeout)

    monkeypatch.setattr(worker_context.journal, "start", fail_second)
    with pytest.raises(OSError, match="no such slot"):
        execute.answer_doorbell([job.id for job in jobs], context=worker_context)
    assert [row(job)[:2] for job in jobs] == [("succeeded", 1), ("queued", 0), ("queued", 0)]
    assert Effect.objects.count() == 1


def test_an_outcome_that_can_not_be_written_is_left_to_the_slot(
    make_job, worker_context, tmp_path, monkeypatch
):
    """The process ends, and its parent settles what had ended as it ended."""
    job = make_job(
        "test.note",
        {"name": "once"},
        max_attempts=1,
    )
    with monkeypatch.context() as patch:
        patch.setattr(finish, "settle_and_follow_up", lambda entries: 1 / 0)
        patch.setattr(finish.time, "sleep", lambda seconds: None)
        with pytest.raises(UnfitProcess, match="left to its journal"):
            execute.answer_doorbell([job.id], context=worker_context)
    worker_context.journal.abandon()
    (trace,) = traces(tmp_path)
    child_checks.settle_dead_child([trace], {}, reason="its process ended")
    assert row(job) == ("succeeded", 1, 0, 0)


# -- what Celery is told ---------------------------------------------------------------------


@pytest.fixture
def ring(worker_context, monkeypatch):
    """Return a function that answers a doorbell as Celery's task does."""
    monkeypatch.setattr(doorbells, "doorbell_context", lambda: worker_context)
    return lambda *jobs: doorbells.answer_doorbell([str(job.id) for job in jobs])


def test_a_doorbell_that_claimed_nothing_did_not_succeed(make_job, ring, caplog):
    """Celery logs that it ignored it, and the ledger why."""
    job = make_job("test.noop", run_at=LATER)
    with caplog.at_level("INFO"), pytest.raises(Ignore):
        ring(job)
    assert f"nothing was claimed of job {job.id}" in caplog.text


def test_a_doorbell_whose_writes_were_refused_did_not_succeed(
    make_job, ring, declare, worker_context, caplog
):
    """The claim was lost meanwhile."""

    def lose_claims():
        Job.objects.filter(state="running").update(claim_id=uuid4())

    kind = declare(lose_claims)
    worker_context.capabilities = capabilities()
    jobs = [make_job(kind.name) for _ in range(7)]
    for doorbell in ([jobs[0]], jobs[1:]):
        with pytest.raises(Ignore):
            ring(*doorbell)
    assert f"the claim of job {jobs[0].id} was lost" in caplog.text
    assert f"the claim of 6 jobs ({jobs[1].id}" in caplog.text
    assert "and 1 more" in caplog.text


def test_a_doorbell_of_many_says_what_became_of_them(make_job, ring):
    """Celery calls it succeeded, with this beside it."""
    jobs = [make_job("test.fail", max_attempts=1), make_job("test.noop"), make_job("test.noop")]
    assert ring(*jobs) == "1 dead, 2 succeeded"
    assert ring(make_job("test.noop"), make_job("test.noop")) is None


@pytest.mark.parametrize("ids", [[], ["x"], [None], 7, None, {"a": 1}, [["a"]], ["f" * 32] * 1001])
def test_what_is_no_doorbell_is_dropped_and_harms_nobody(
    ids, worker_context, monkeypatch, caplog, pauses
):
    """The broker is not trusted with anything."""
    monkeypatch.setattr(doorbells, "doorbell_context", lambda: worker_context)
    monkeypatch.setattr(invalid_messages, "_logged", set())
    with pytest.raises(Ignore):
        doorbells.answer_doorbell(ids)
    assert "an invalid message from the broker (queue)" in caplog.text
    assert pauses == []


def test_an_unfit_child_ends_with_its_doorbell_and_a_solo_worker_shuts_down(
    make_job, ring, monkeypatch
):
    """The pool starts another child; who started the solo worker, starts it again."""
    job = make_job("test.noop")
    monkeypatch.setattr(claiming, "_claim_jobs", lambda *args: 1 / 0)
    with pytest.raises(WorkerShutdown):
        ring(job)
    monkeypatch.setattr(doorbells, "current_process", lambda: SimpleNamespace(name="ForkPool-1"))
    with pytest.raises(doorbells.Retired):
        ring(job)
