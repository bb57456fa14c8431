"""Coroutines of many jobs on one loop of this process."""

import asyncio
import contextvars
import os
import threading
import time
from functools import cached_property
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection, transaction

from celeriac import Snooze, aenqueue, current_job
from celeriac.breakers.api import guard
from celeriac.breakers.breaker import SharedBreaker
from celeriac.console.explaining.explain import explain_job
from celeriac.jobs.models import Attempt, Job, Worker
from celeriac.jobs.running.child_records import ChildJournal
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.many.loop import LoopSlots
from celeriac.jobs.running.many.slot_pool import SlotPool
from celeriac.jobs.running.worker_context import WorkerContext, capabilities
from tests.acceptance.test_many_at_once import connections
from tests.app.models import Effect
from tests.support.threads import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


class Process:
    """A pool on a loop, its journal, and what a test asks of it."""

    def __init__(self, folder, width):
        self.journal = FileJournal(folder, slots=width)
        self.loop = LoopSlots(width, self.journal)

    @cached_property
    def pool(self):
        """The pool: a process knows its kinds from its start on."""
        context = WorkerContext(worker=uuid4(), capabilities=capabilities())
        return SlotPool(
            context,
            self.journal.slots,
            performer=self.loop,
            run_alone=lambda ids: None,
            end=lambda: None,
        )

    def run(self, *jobs):
        """Run the jobs to their ends; return them as they are then."""
        self.pool.answer([job.id for job in jobs])
        self.pool.drain()
        for job in jobs:
            job.refresh_from_db()
        return jobs if len(jobs) != 1 else jobs[0]

    def records(self):
        """Return what a parent reads of the slots."""
        return [each for each in ChildJournal(self.journal.path).read_all() if each.running]


@pytest.fixture
def start_process(tmp_path):
    """Return a function that makes a pool of so many slots."""
    made = []

    def make(width):
        made.append(Process(tmp_path, width))
        return made[-1]

    yield make
    for process in made:
        process.pool.close()
        process.journal.abandon()


@pytest.fixture
def process(start_process):
    """Return a pool of twenty slots."""
    return start_process(20)


def facts(job):
    """Return what a run left on the job."""
    job.refresh_from_db()
    return job.state, job.attempt, job.failures, job.losses


def test_two_hundred_wait_at_a_time(start_process, make_job, declare):
    """All of them are inside their handlers at the same moment, in one thread."""
    inside, threads = [], set()

    async def meet():
        inside.append(1)
        threads.add(threading.get_ident())
        while len(inside) < 200:
            await asyncio.sleep(0.01)

    declare(meet, name="test.meet")
    jobs = start_process(200).run(*[make_job("test.meet") for _ in range(200)])
    assert {job.state for job in jobs} == {"succeeded"}
    assert len(threads) == 1


def test_each_knows_its_own_job_wherever_its_code_runs(process, make_job, declare):
    """In tasks that it makes, in sync code, in other threads, in coroutines of sync code."""

    async def who(number):
        await asyncio.sleep(0.02 * (number % 3))

        async def own():
            await asyncio.sleep(0.01)
            return str(current_job().id)

        async with asyncio.TaskGroup() as group:
            task = group.create_task(own())
        found = {
            str(current_job().id),
            task.result(),
            await sync_to_async(lambda: str(current_job().id))(),
            await sync_to_async(lambda: async_to_sync(own)())(),
            await asyncio.to_thread(lambda: str(current_job().id)),
        }
        return [number, current_job().args, sorted(found)]

    declare(who, name="test.who")
    jobs = process.run(*[make_job("test.who", {"number": number}) for number in range(20)])
    for number, job in enumerate(jobs):
        assert job.result == [number, {"number": number}, [str(job.id)]]


def test_sync_code_of_each_has_a_thread_and_a_session_of_its_own(process, make_job, declare):
    """What one leaves on its session no other sees, nor who has the thread next."""
    threads = {}

    def look(change):
        threads.setdefault(current_job().id, set()).add(threading.get_ident())
        with connection.cursor() as cursor:
            if change:
                cursor.execute("SET statement_timeout = '7s'")
            cursor.execute("SHOW statement_timeout")
            return cursor.fetchone()[0]

    async def change(first):
        found = [await sync_to_async(look)(first)]
        await asyncio.sleep(0.2)
        return [*found, await sync_to_async(look)(False)]

    declare(change, name="test.change")
    jobs = process.run(*[make_job("test.change", {"first": number == 3}) for number in range(5)])
    assert all(len(each) == 1 for each in threads.values())
    assert len(set.union(*threads.values())) == 5
    assert [job.result for job in jobs if job.args["first"]] == [["7s", "7s"]]
    assert all(job.result == ["0", "0"] for job in jobs if not job.args["first"])
    again = process.run(*[make_job("test.change", {"first": False}) for _ in range(5)])
    assert all(job.result == ["0", "0"] for job in again)
    assert len(set.union(*threads.values())) == 5


def test_the_orm_and_aenqueue_work_as_in_a_process_of_its_own(process, make_job, declare):
    """A transaction that is left open is a failure, and rolled back."""

    async def write(how):
        await Effect.objects.acreate(name=how)
        await current_job().aprogress(1, 2)
        assert not await current_job().ashould_stop()
        await aenqueue("test.noop", {"number": 5})
        await current_job().aenqueue("child", "test.noop", {"number": 6})
        if how == "open":
            await sync_to_async(transaction.set_autocommit)(False)
            await Effect.objects.acreate(name="never")
        return await Effect.objects.acount()

    declare(write, name="test.write")
    assert process.run(make_job("test.write", {"how": "well"})).result == 1
    failed = process.run(make_job("test.write", {"how": "open"}))
    assert facts(failed) == ("queued", 1, 1, 0)
    assert "TransactionLeftOpen" in failed.error
    assert not Effect.objects.filter(name="never").exists()
    assert sorted(Job.objects.filter(kind="test.noop").values_list("args__number", flat=True)) == [
        *(5, 5, 6, 6)
    ]


def test_the_soft_limit_cancels_and_cleaning_up_is_done(process, make_job, declare):
    """A failure like any other; one that ends well in spite of it has succeeded."""

    async def late(clean_up):
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await Effect.objects.acreate(name=str(current_job().id))
            if clean_up:
                return "gave in"
            raise

    declare(late, name="test.cancelled", timeout=0.2)
    job, other = process.run(*[make_job("test.cancelled", {"clean_up": each}) for each in (0, 1)])
    assert facts(job) == ("queued", 1, 1, 0)
    assert job.error.endswith("The handler ran past its soft limit of 0.2 s.")
    assert (other.state, other.result) == ("succeeded", "gave in")
    assert Effect.objects.count() == 2


def test_what_would_end_a_loop_ends_one_run(process, make_job, declare):
    """Its neighbours go on, and so does the loop."""

    async def end(how):
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "exit":
            raise SystemExit(3)
        if how == "stop":
            asyncio.get_running_loop().stop()
        if how == "task":
            await asyncio.create_task(end("exit"))
        if how == "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(end("value"))
                group.create_task(end("value"))
        if how == "value":
            raise ValueError("no luck")
        if how == "cancel":
            raise asyncio.CancelledError
        await asyncio.sleep(0.3)

    declare(end, name="test.end")
    ways = ("interrupt", "exit", "stop", "task", "group", "cancel", "well")
    ran = process.run(*[make_job("test.end", {"how": how}) for how in ways])
    jobs = dict(zip(ways, ran, strict=True))
    assert {how: facts(job) for how, job in jobs.items()} == {
        "interrupt": ("queued", 1, 0, 1),
        "exit": ("queued", 1, 1, 0),
        "stop": ("succeeded", 1, 0, 0),
        "task": ("queued", 1, 1, 0),
        "group": ("queued", 1, 1, 0),
        "cancel": ("queued", 1, 1, 0),
        "well": ("succeeded", 1, 0, 0),
    }
    assert "ExceptionGroup" in jobs["group"].error
    assert "no luck" in Attempt.objects.get(job=jobs["group"]).traceback
    assert process.run(make_job("test.noop")).state == "succeeded"


def test_what_a_handler_leaves_behind_is_cancelled_and_waited_for(
    process, make_job, declare, caplog
):
    """Tasks, and calls in threads: nothing of it runs on when its job has ended."""
    ended = []

    async def linger():
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.1)
            ended.append("task")

    def sleep():
        time.sleep(0.3)
        ended.append("call")

    async def leave():
        task = asyncio.create_task(linger())
        call = asyncio.create_task(asyncio.to_thread(sleep))
        await asyncio.sleep(0.05)
        assert not task.done()
        call.cancel()

    declare(leave, name="test.leave")
    job = process.run(make_job("test.leave"))
    assert job.state == "succeeded"
    assert sorted(ended) == ["call", "task"]
    assert f"job {job.id} has ended, and the tasks that it left behind are cancelled" in caplog.text


def test_a_handler_that_blocks_the_loop_is_named_while_it_does(process, make_job, declare, caplog):
    """In the log with its stack, on its row while it runs and once it has succeeded."""
    inside = threading.Event()

    async def block():
        inside.set()
        time.sleep(1.5)

    async def wait():
        await asyncio.sleep(0.6)
        await asyncio.sleep(0.3)

    declare(block, name="test.blocks")
    declare(wait, name="test.waits", timeout=1.0)
    waiting, blocking = make_job("test.waits"), make_job("test.blocks")
    process.pool.answer([waiting.id])
    wait_until(process.records)
    time.sleep(0.2)
    process.pool.answer([blocking.id])
    wait_until(inside.is_set)
    wait_until(lambda: Job.objects.get(pk=blocking.id).error, 1.3)
    blocking.refresh_from_db()
    assert blocking.state == "running"
    facts_of_worker = {"claims": [blocking.claim_id], "running": [blocking.id]}
    Worker.objects.create(
        id=blocking.worker, name="w@h", host="h", pid=1, slots=20, **facts_of_worker
    )
    explained = explain_job(blocking)
    assert (explained.code, explained.view) == ("blocking", "running")
    assert "and blocks the loop of its process, at tests.integration" in explained.sentence
    assert blocking.error.startswith("blocks the loop of its process, at tests.integration")
    assert "time.sleep(1.5)" in caplog.text
    assert f"job {blocking.id} (test.blocks) has blocked the loop" in caplog.text
    wait_until(lambda: [each.blocker for each in process.records()] == [blocking.id] * 2)
    process.pool.drain()
    assert facts(blocking) == ("succeeded", 1, 0, 0)
    assert blocking.error.startswith("it blocked the loop of its process for 1.5 s, at tests.")
    assert facts(waiting) == ("succeeded", 1, 0, 0)  # its limit does not count another's block


def test_functions_and_transactions_run_in_threads(process, make_job, declare):
    """With the same limits; so does a transactional coroutine that its caller sent here."""
    loops = set()

    def where():
        loops.add(threading.current_thread().name)
        time.sleep(0.3)

    async def both(fails):
        loops.add(threading.current_thread().name)
        await Effect.objects.acreate(name="both")
        if fails:
            raise ValueError("no luck")

    declare(where, name="test.where_sync", timeout=5.0)
    declare(lambda: time.sleep(0.4), name="test.slow", timeout=0.2)
    declare(both, name="test.both", transactional=True)
    slow = make_job("test.slow")
    well, fails = make_job("test.both", {"fails": 0}), make_job("test.both", {"fails": 1})
    process.run(*[make_job("test.where_sync") for _ in range(10)], slow, well, fails)
    assert "celeriac-loop" not in loops
    assert facts(slow) == ("queued", 1, 1, 0)
    assert facts(well)[0] == "succeeded"
    assert facts(fails) == ("queued", 1, 1, 0)
    assert Effect.objects.count() == 1


def test_who_waits_keeps_no_connection(process, make_job, declare):
    """Also where it has used the database before; the thread of its sync code stays its own."""
    gone, asked = threading.Event(), []

    async def ask_and_wait():
        asked.append(await Job.objects.acount())
        while not gone.is_set():
            await asyncio.sleep(0.01)
        return await Job.objects.acount()

    declare(ask_and_wait, name="test.ask")
    jobs = [make_job("test.ask") for _ in range(20)]
    before = connections()
    process.pool.answer([job.id for job in jobs])
    wait_until(lambda: len(asked) == 20)
    try:
        wait_until(lambda: connections() - before <= 1, 5.0)  # the settler's
    finally:
        gone.set()
    process.pool.drain()
    assert set(Job.objects.values_list("state", "result")) == {("succeeded", 20)}


def test_calls_under_one_guard_are_told_apart(process, make_job, declare, monkeypatch):
    """A task that ends first does not end the call of the one that began last."""
    ended = {}

    def note(breaker, admission, error):
        ended[admission] = (str(current_job().id), type(error))

    began = {}
    enter = SharedBreaker.enter

    def begin(breaker):
        admission = enter(breaker)
        began[admission] = str(current_job().id)
        return admission

    monkeypatch.setattr(SharedBreaker, "enter", begin)
    monkeypatch.setattr(SharedBreaker, "leave", note)
    shared = guard("payments")

    async def call(seconds):
        await asyncio.sleep(0.05 if seconds < 0.3 else 0.0)
        with shared:
            await asyncio.sleep(seconds)

    declare(call, name="test.calls")
    process.run(*[make_job("test.calls", {"seconds": each}) for each in (0.4, 0.1, 0.2)])
    assert len(began) == 3
    assert {admission: job for admission, (job, _) in ended.items()} == began


def test_a_fork_that_comes_back_runs_nobody(process, make_job, declare):
    """It ends at its next step, and the job goes on in the process that claimed it."""

    async def fork():
        pid = os.fork()
        await asyncio.sleep(0.05)
        await Effect.objects.acreate(name=str(os.getpid()))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    async def other():
        await asyncio.sleep(0.01)
        await Effect.objects.acreate(name=str(os.getpid()))

    declare(fork, name="test.fork")
    declare(other, name="test.other")
    job, *_ = process.run(make_job("test.fork"), *[make_job("test.other") for _ in range(5)])
    assert (job.state, job.result) == ("succeeded", 1)
    assert set(Effect.objects.values_list("name", flat=True)) == {str(os.getpid())}
    assert Effect.objects.count() == 6


def test_a_snooze_and_a_context_stay_with_their_run(process, make_job, declare):
    """A context variable that one sets is not there for the next."""
    mark = contextvars.ContextVar("mark", default="none")

    async def look(snooze):
        found = mark.get()
        mark.set("set")
        await asyncio.sleep(0.05)
        if snooze:
            raise Snooze(60, "not yet")
        return found

    declare(look, name="test.look")
    jobs = process.run(*[make_job("test.look", {"snooze": n == 0}) for n in range(3)])
    assert facts(jobs[0]) == ("queued", 1, 0, 0)
    assert [job.result for job in jobs[1:]] == ["none", "none"]


def test_a_claim_that_stood_for_long_is_asked_about_before_its_start(
    process, make_job, declare, monkeypatch
):
    """What is no longer this run's does not start."""
    started = []

    async def start():
        started.append(1)

    declare(start, name="test.start")
    kept, lost = make_job("test.start"), make_job("test.start")
    blocked = threading.Event()
    process.loop._loop.call_soon_threadsafe(lambda: (blocked.set(), time.sleep(0.6)))
    wait_until(blocked.is_set)
    process.pool.answer([kept.id, lost.id])
    Job.objects.filter(pk=lost.id).update(claim_id=uuid4())
    process.pool.drain()
    assert started == [1]
    assert facts(kept)[0] == "succeeded"
    assert facts(lost)[0] == "running"
