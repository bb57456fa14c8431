"""What a handler changes in its process, its timer and Django: the next job is spared it."""

import decimal
import gc
import logging
import os
import resource
import signal
import socket
import sys
import time

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction

from celeriac import aenqueue, aenqueue_many, current_job, enqueue
from celeriac.console.explaining.explain import explain_job
from celeriac.core.counting.counters import process
from celeriac.jobs import metrics
from celeriac.jobs.models import Job
from celeriac.jobs.running import process_state, turns, wear
from celeriac.settings import conf
from tests.app.models import Effect
from tests.kinds import note
from tests.support.threads import held_open

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def same_process():
    """Put this process back as it was."""
    directory, mask = os.getcwd(), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.chdir(directory)
    os.umask(umask)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    resource.setrlimit(resource.RLIMIT_NOFILE, files)
    os.environ["TZ"] = "UTC"
    time.tzset()


def fewer_files():
    """Lower a limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))


def tokyo():
    """Change the process's time zone."""
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()


CHANGES = {
    "RLIMIT_NOFILE": fewer_files,
    "working directory": lambda: os.chdir("/"),
    "umask": lambda: os.umask(0o077) and None,
    "SIGALRM": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}) and None,
    "time zone": tokyo,
}


def test_a_child_that_was_changed_is_replaced_and_nobody_pays(
    run_in_context, subtests, same_process
):
    """After its doorbell; what has not started by the next look goes back, as if never claimed."""
    for word, change in CHANGES.items():
        with subtests.test(word):

            def handler(change=change):
                change()
                time.sleep(turns.LOOK_AFTER * 2)

            (changed, after), worker_context = run_in_context(handler, lambda: None)
            assert word in worker_context.retiring
            assert (changed.state, after.state, after.attempt) == ("succeeded", "queued", 0)
    _, worker_context = run_in_context(lambda: None)
    assert worker_context.retiring == ""


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"CHILD_MAX_JOBS": 2}, "it has run 3 jobs"),
        ({"CHILD_MAX_JOBS": 4}, ""),
        ({"CHILD_MAX_MEMORY_MB": 1}, "it has grown to"),
        ({"CHILD_MAX_MEMORY_MB": 1_000_000}, ""),
    ],
)
def test_a_child_that_has_run_or_grown_enough_is_replaced(run_in_context, monkeypatch, limit, said):
    """Between two doorbells: all of its own is done before."""
    for name, value in limit.items():
        monkeypatch.setitem(vars(conf), name, value)
    jobs, worker_context = run_in_context(*[lambda: None] * 3)
    assert [job.state for job in jobs] == ["succeeded"] * 3
    assert worker_context.retiring[: len(said)] == said
    assert bool(worker_context.retiring) == bool(said)


def test_a_workers_own_limit_counts_jobs_and_leaves_the_rest_to_others(run_in_context, monkeypatch):
    """Of `--max-tasks-per-child`: what comes with them in one doorbell is never claimed."""
    monkeypatch.setattr(wear, "_most_jobs", 2)
    jobs, worker_context = run_in_context(*[lambda: None] * 5)
    assert sorted(job.state for job in jobs) == ["queued"] * 3 + ["succeeded"] * 2
    assert worker_context.retiring == "it has run 2 jobs (--max-tasks-per-child is 2)"
    assert {job.attempt for job in jobs} == {0, 1}


def test_what_harms_nobody_replaces_no_child(run_in_context, same_process):
    """A limit that was raised, say: libraries do that as they are loaded."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 10, hard))
    raised = resource.setrlimit
    (job,), worker_context = run_in_context(lambda: raised(resource.RLIMIT_NOFILE, (soft, hard)))
    assert (job.state, worker_context.retiring) == ("succeeded", "")


def test_what_python_knows_is_set_back_before_the_next_handler(run_in_context):
    """A low recursion limit fails innocent jobs, and a silenced log hides them."""

    def now():
        limits = (sys.getrecursionlimit(), socket.getdefaulttimeout(), decimal.getcontext().prec)
        return *limits, logging.root.manager.disable, logging.root.level, gc.isenabled()

    def change():
        sys.setrecursionlimit(before[0] - 1)
        logging.disable(logging.CRITICAL)
        logging.root.setLevel(logging.CRITICAL)
        socket.setdefaulttimeout(0.001)
        decimal.getcontext().prec = 2
        gc.disable()

    before, seen = now(), []
    _, worker_context = run_in_context(change, lambda: seen.append(now()))
    assert (seen, worker_context.retiring) == ([before], "")


def test_signals_that_a_handler_took_over_are_given_back(run_in_context):
    """Else a reader that went kills an innocent job, and no subprocess of its is seen to end."""
    signals = (signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(each) for each in signals]

    def change():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    try:
        (job,), worker_context = run_in_context(change)
        assert [signal.getsignal(each) for each in signals] == before
        assert (job.state, worker_context.retiring) == ("succeeded", "")
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def test_a_timer_that_a_handler_left_strikes_no_other_job(run):
    """Where neither has a soft limit, whose own timer would take its place."""
    signal.setitimer(signal.ITIMER_REAL, 0)  # none of this suite's, as in a child
    struck = []
    before = signal.signal(signal.SIGALRM, lambda *_: struck.append("alarm"))
    try:
        run(lambda: signal.setitimer(signal.ITIMER_REAL, 0.05) and None, timeout=None)
        run(lambda: time.sleep(0.1), timeout=None)
        assert struck == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_child_whose_loggers_were_switched_off_is_replaced(run_in_context, monkeypatch):
    """As by a library that configures logging for itself, and disables what is there."""
    (job,), worker_context = run_in_context(
        lambda: monkeypatch.setattr(process_state.logger, "disabled", True)
    )
    assert (job.state, "loggers" in worker_context.retiring) == ("succeeded", True)


def test_a_blocked_alarm_takes_no_soft_limit_away(run, same_process):
    """Not even from a neighbour in the same doorbell."""

    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})

    blocked, late = run(block, lambda: time.sleep(5), timeout=0.2)
    assert (blocked.state, late.state) == ("succeeded", "dead")
    assert "soft limit of 0.2 s" in late.error


def test_each_run_has_its_whole_limit_though_one_timer_serves_several(run):
    """The timer of the first strikes amid the second, which goes on until its own time is up."""

    def second():
        began = time.monotonic()
        try:
            time.sleep(2)
        finally:
            took.append(time.monotonic() - began)

    took = []
    first, late = run(lambda: time.sleep(0.2), second, timeout=0.5)
    assert (first.state, late.state) == ("succeeded", "dead")
    assert took[0] == pytest.approx(0.5, abs=0.15)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_timer_of_the_handlers_own_is_said_to_cost_its_limit(run, subtests, caplog):
    """It takes the place of the platform's; one that leaves it alone is told nothing."""

    def longer():
        signal.setitimer(signal.ITIMER_REAL, 100)

    def off():
        signal.alarm(0)

    def own():
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(0.05)

    for handler, said in ((longer, 1), (off, 1), (own, 1), (lambda: None, 0)):
        with subtests.test(handler.__name__):
            caplog.clear()
            (job,) = run(handler, timeout=30)
            lines = [line for line in caplog.messages if "without its soft limit of 30 s" in line]
            assert (job.state, len(lines)) == ("succeeded", said)


def test_a_hook_that_raises_after_the_commit_is_shown_and_stops_no_other(run, caplog):
    """The job has succeeded: its effects and its success are committed."""
    ran = []

    def refuse():
        raise ValueError("the shop is closed")

    def leave():
        raise SystemExit(3)

    def unreadable():
        raise Fatal(SystemExit(4))

    def handler():
        Effect.objects.create(name="written")
        for hook in (refuse, leave, unreadable, lambda: ran.append("last")):
            transaction.on_commit(hook)

    before = _counted()
    job, after = run(handler, lambda: None, transactional=True)
    assert (job.state, job.failures, after.state) == ("succeeded", 0, "succeeded")
    assert (ran, Effect.objects.count()) == (["last"], 1)
    assert "on_commit hook failed" in job.error
    assert "3 hooks failed" in job.error
    (attempt,) = job.attempts.all()
    assert (attempt.outcome, attempt.number) == ("succeeded", 1)
    assert "on_commit hook failed" in explain_job(job).sentence
    assert _counted() == before + 3
    assert "the shop is closed" in caplog.text


def test_a_hook_that_leaves_a_transaction_open_is_one_that_failed(run):
    """Its writes are rolled back; the job's are committed."""

    def hook():
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
        Effect.objects.create(name="the hook's")

    def handler():
        Effect.objects.create(name="the job's")
        transaction.on_commit(hook)

    job, _ = run(handler, lambda: None, transactional=True)
    assert job.state == "succeeded"
    assert "left a database transaction open" in job.error
    assert [each.name for each in Effect.objects.all()] == ["the job's"]


def _counted():
    store = process.store
    return sum(
        store.counters[at] for series, at in store.at.items() if series[0] == metrics.HOOKS_FAILED
    )


def test_debugs_log_of_statements_does_not_grow_with_the_jobs(make_job, answer, settings):
    """Nobody reads it in a child, and it keeps what each statement was given."""
    settings.DEBUG = True
    job = make_job("test.note", {"name": "written"})
    assert connection.queries_log
    answer(job)
    assert not connection.queries_log


def test_coroutines_have_their_current_job(run):
    """On the job's own connection, in its transaction; the sync ways name the others."""
    said = []

    async def handler():
        job = current_job()
        await job.aprogress(1, 2)
        child = await job.aenqueue("child", "test.noop", {})
        assert await job.ashould_stop() is False
        for ask in (
            lambda: job.progress(2, 2),
            lambda: (setattr(job, "_looked", 0), job.should_stop()),
        ):
            try:
                ask()
            except Exception as error:
                said.append(str(error))
        return [job.attempt, str(child.id)]

    for transactional in (False, True):
        (job,) = run(handler, transactional=transactional)
        assert (job.state, job.progress) == ("succeeded", {"done": 1, "total": 2})
        assert job.result == [1, str(Job.objects.get(kind="test.noop").id)]
        Job.objects.filter(kind="test.noop").delete()
    assert ["aprogress" in said[0], "ashould_stop" in said[1], len(said)] == [True, True, 4]


def test_async_callers_enqueue_and_wait_in_djangos_way(answer):
    """By the door, by a task, in the transaction that the sync code has open, and for the end."""

    async def call():
        handle = await aenqueue("test.note", {"name": "one"})
        several = await aenqueue_many("test.note", [{"name": "two"}, {"name": "three"}])
        return [handle, *several, await note.aenqueue(name="four")]

    with transaction.atomic():
        async_to_sync(call)()
        transaction.set_rollback(True)
    assert not Job.objects.exists()
    handles = async_to_sync(call)()
    with pytest.raises(TimeoutError):
        async_to_sync(handles[0].aget)(timeout=0.02)
    answer(*handles)
    assert [async_to_sync(each.aget)() for each in handles] == ["one", "two", "three", "four"]


class Fatal(Exception):
    """An error whose text ends the process, if one lets it."""

    def __str__(self):
        raise self.args[0]

    @property
    def retry_after(self):
        """Fail likewise."""
        raise self.args[0]


class Liar(Exception):
    """An error that does not even say what it is."""

    @property
    def __class__(self):
        """End the process, if one lets it."""
        raise SystemExit(4)


def test_an_error_that_can_not_be_read_is_a_failure_whatever_it_raises(run, subtests):
    """Not a loss: the handler ran, and failed."""
    for fatal in (KeyboardInterrupt(), SystemExit(3), GeneratorExit(), BaseException("no")):
        with subtests.test(type(fatal).__name__):

            def handler(fatal=fatal):
                raise Fatal(fatal)

            job, after = run(handler, lambda: None)
            assert (job.state, job.failures, job.losses) == ("dead", 1, 0)
            assert "Fatal" in job.error
            assert after.state == "succeeded"

    def lie():
        raise Liar

    with subtests.test("its class"):
        job, after = run(lie, lambda: None)
        assert (job.state, job.failures, job.losses) == ("dead", 1, 0)
        assert after.state == "succeeded"


def test_a_race_lost_under_serializable_isolation_is_enqueue_busy(subtests):
    """What the caller may try again has one name, whatever the isolation level."""
    from celeriac.jobs.errors import EnqueueBusy

    def serializable(options):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                cursor.execute("SELECT count(*) FROM celeriac_jobs_job")
            with held_open(lambda: enqueue("test.noop", {}, **options)) as (_, commit):
                commit()
            enqueue("test.noop", {}, **options)

    for options in ({"unique_key": "u"}, {"idempotency_key": "i"}):
        with subtests.test(str(options)), pytest.raises(EnqueueBusy, match="try"):
            serializable(options)
