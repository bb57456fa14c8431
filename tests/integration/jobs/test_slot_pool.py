"""Many jobs at once in this process: claims and settles gathered, each job in a slot of its own."""

import os
import threading
import time
from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from celeriac import current_job
from celeriac.core import tracing
from celeriac.jobs.models import Job
from celeriac.jobs.running import outage
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.many import bounded_connections, slot_pool as slot_pools
from celeriac.jobs.running.many.bounded_connections import BoundedConnections, NoConnectionFree
from celeriac.jobs.running.many.slot_pool import SlotPool
from celeriac.jobs.running.many.threads import ThreadSlots
from celeriac.jobs.running.setbacks import UnfitProcess
from celeriac.jobs.running.worker_context import WorkerContext, capabilities
from tests.support.threads import held_open, threads, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lonely():
    """Return what is given to processes of their own."""
    return []


@pytest.fixture
def has_ended():
    """Return what is set once the process should have ended."""
    return threading.Event()


@pytest.fixture
def make_pool(tmp_path, lonely, has_ended):
    """Return a function that makes a pool of so many threads."""
    made = []

    def make(width):
        journal = FileJournal(tmp_path, slots=width)
        context = WorkerContext(worker=uuid4(), capabilities=capabilities())
        pool = SlotPool(
            context,
            journal.slots,
            performer=ThreadSlots(width),
            run_alone=lonely.extend,
            end=has_ended.set,
        )
        made.append((pool, journal))
        return pool

    yield make
    for pool, journal in made:
        pool.close()
        journal.abandon()


def states():
    """Return the states that jobs are in."""
    return set(Job.objects.values_list("state", flat=True))


def test_fifty_run_at_a_time_in_one_process(make_pool, make_job, declare):
    """All of them are inside their handlers at the same moment."""
    together = threading.Barrier(50)
    declare(lambda: together.wait(30) and None, name="test.meet")
    pool = make_pool(50)
    assert pool.answer([make_job("test.meet").id for _ in range(50)]) == 50
    pool.drain()
    assert states() == {"succeeded"}
    assert not pool.busy


def test_one_that_takes_long_holds_one_slot(make_pool, make_job, declare):
    """The others go on, doorbell after doorbell."""
    done = threading.Event()
    declare(lambda: done.wait(30) and None, name="test.long")
    pool = make_pool(2)
    pool.answer([make_job("test.long").id])
    for _ in range(3):
        pool.answer([make_job("test.noop").id for _ in range(3)])
    wait_until(lambda: Job.objects.filter(kind="test.noop", state="succeeded").count() == 9)
    assert Job.objects.get(kind="test.long").state == "running"
    done.set()
    pool.drain()
    assert states() == {"succeeded"}


def test_a_slot_whose_job_ends_at_once_is_free_once(make_pool, make_job, monkeypatch):
    """Given back twice it would take two jobs, and the journal would know of the second alone."""
    start = ThreadSlots.start

    def start_and_end(performer, slot, pool):
        start(performer, slot, pool)
        wait_until(lambda: slot.run is None)

    monkeypatch.setattr(ThreadSlots, "start", start_and_end)
    pool = make_pool(3)
    pool.answer([make_job("test.noop").id, make_job("test.noop").id, uuid4()])
    assert sorted(slot.number for slot in pool._free) == [1, 2, 3]
    pool.drain()
    assert states() == {"succeeded"}


def test_claims_and_settles_are_gathered(make_pool, make_job, django_assert_max_num_queries):
    """Ten jobs cost one claim; what ends together is settled together."""
    jobs = [make_job("test.noop") for _ in range(10)]
    pool = make_pool(20)
    with django_assert_max_num_queries(1):  # of this thread, which claims
        pool.answer([job.id for job in jobs])
    pool.drain()
    assert Job.objects.filter(state="succeeded").values("worker").distinct().count() == 1


def test_each_knows_its_own_job(make_pool, make_job, declare):
    """Neither a neighbour's arguments, nor its id."""
    declare(lambda number: [number, str(current_job().id), current_job().args], name="test.who")
    jobs = [make_job("test.who", {"number": number}) for number in range(20)]
    pool = make_pool(8)
    pool.answer([job.id for job in jobs])
    pool.drain()
    for number, job in enumerate(jobs):
        job.refresh_from_db()
        assert job.result == [number, str(job.id), {"number": number}]


@pytest.fixture
def spans(monkeypatch):
    """Trace, and return a function that lists the spans that ended."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    return exporter.get_finished_spans


def test_each_has_a_span_in_the_trace_of_who_enqueued_it(make_pool, make_job, declare, spans):
    """Though all of them are inside their handlers at the same moment."""
    together = threading.Barrier(5)
    declare(lambda: together.wait(30) >= 0 and tracing.trace_id(), name="test.traced")
    traces = [f"{number:032x}" for number in range(1, 6)]
    jobs = [make_job("test.traced", trace=f"00-{trace}-{7:016x}-01") for trace in traces]
    pool = make_pool(5)
    pool.answer([job.id for job in jobs])
    pool.drain()
    assert [Job.objects.get(pk=job.pk).result for job in jobs] == traces
    runs = [span for span in spans() if span.parent is not None and span.parent.span_id == 7]
    assert sorted(f"{span.context.trace_id:032x}" for span in runs) == traces


def test_one_with_losses_is_left_to_a_process_of_its_own(make_pool, make_job, lonely):
    """Also where it is the only one of its doorbell, and nothing else runs."""
    job, other = make_job("test.noop", losses=1), make_job("test.noop")
    pool = make_pool(2)
    assert pool.answer([job.id, other.id]) == 1  # among others it is not even looked for
    assert pool.answer([job.id]) == 0
    pool.answer([uuid4()])
    assert lonely == [job.id]
    pool.drain()
    job.refresh_from_db()
    assert (job.state, job.attempt) == ("queued", 0)


def test_a_process_that_can_run_none_alone_is_replaced(make_pool, make_job, monkeypatch):
    """Its helper is gone: or its jobs with losses would wait for ever."""
    pool = make_pool(2)
    monkeypatch.setattr(pool, "_run_alone", lambda ids: os.write(99999, b""))
    with pytest.raises(UnfitProcess, match="without neighbours"):
        pool.answer([make_job("test.noop", losses=1).id])


def test_a_session_that_a_handler_changed_is_its_own(make_pool, make_job, declare):
    """Its neighbour's statements see nothing of it, and neither does the next on that thread."""

    def change(wait):
        with connection.cursor() as cursor:
            if wait:
                cursor.execute("SET statement_timeout = '7s'")
                time.sleep(0.2)
            cursor.execute("SHOW statement_timeout")
            return cursor.fetchone()[0]

    declare(change, name="test.change")
    pool = make_pool(2)
    for wait in (True, False, False, False):
        pool.answer([make_job("test.change", {"wait": wait}).id])
    pool.drain()
    found = Job.objects.order_by("id").values_list("result", flat=True)
    first, *others = found
    assert first == "7s"
    assert "7s" not in others


def test_a_handler_that_would_end_its_process_is_charged_alone(make_pool, make_job, declare):
    """Nobody can say how it ended."""

    def interrupt():
        raise KeyboardInterrupt

    declare(interrupt, name="test.interrupt")
    job, other = make_job("test.interrupt"), make_job("test.noop")
    pool = make_pool(2)
    pool.answer([job.id, other.id])
    pool.drain()
    job.refresh_from_db()
    assert (job.state, job.losses, job.failures) == ("queued", 1, 0)
    assert "KeyboardInterrupt" in job.error
    other.refresh_from_db()
    assert other.state == "succeeded"


def test_a_process_that_can_not_settle_ends_once_the_others_have(
    make_pool, make_job, declare, monkeypatch
):
    """What ended is in the journal, for the parent; nothing more is claimed."""
    going = threading.Event()
    declare(lambda: going.wait(30) and None, name="test.long")
    pool = make_pool(3)
    pool.answer([make_job("test.long").id])
    monkeypatch.setattr(slot_pools.execute, "settle_and_count", lambda *_: 1 / 0)
    pool.answer([make_job("test.noop").id])
    last = make_job("test.noop")
    with threads(1) as start:
        future = start(wait_for_unfit, pool, last.id)
        time.sleep(0.3)
        assert not future.done()
        going.set()
        assert "left to its journal" in future.result(30)
    last.refresh_from_db()
    assert last.state == "queued"


def test_a_process_that_can_not_settle_waits_for_no_doorbell(
    make_pool, make_job, declare, has_ended, monkeypatch
):
    """Or its claims would be vouched for as long as none comes, and their jobs run for ever."""
    going = threading.Event()
    declare(lambda: going.wait(30) and None, name="test.long")
    monkeypatch.setattr(slot_pools, "UNASKED_AFTER", 0.0)
    pool = make_pool(2)
    pool.answer([make_job("test.long").id])
    monkeypatch.setattr(slot_pools.execute, "settle_and_count", lambda *_: 1 / 0)
    pool.answer([make_job("test.noop").id])
    assert not has_ended.wait(0.3)
    going.set()
    assert has_ended.wait(30)


def wait_for_unfit(pool, job_id):
    """Ring until the pool says that its process must end; return why."""
    wait_until(lambda: pool._context.retiring)
    with pytest.raises(UnfitProcess) as raised:
        pool.answer([job_id])
    return str(raised.value)


def test_a_lock_in_the_way_of_one_settle_holds_no_other(make_pool, make_job):
    """Not for longer than it takes to see it."""
    job, other = make_job("test.note", {"name": "a"}), make_job("test.noop")
    pool = make_pool(2)
    with held_open(lambda: None):
        pool.answer([job.id, other.id])
        pool.drain()
    assert states() == {"succeeded"}


def test_a_run_that_can_not_connect_broke_nothing(make_pool, make_job, declare, monkeypatch):
    """However often in a row: each run of a slot connects anew, so resets of a network meet it."""
    lender = BoundedConnections("default", 1)

    def connects() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(psycopg, "connect", refuse)
            lender.getconn()

    declare(connects, name="test.connects")
    job = make_job("test.connects", cuts=2)
    pool = make_pool(1)
    monkeypatch.setattr(outage, "_came_from_ledger", lambda *_: True)  # Django has the lender there
    pool.answer([job.id])
    pool.drain()
    job.refresh_from_db()
    assert (job.state, job.failures, job.cuts) == ("queued", 0, 2)
    assert "the database went away" in job.wait_reason


def refuse(**_):
    """Connect to nothing."""
    raise psycopg.OperationalError("connection failed: server closed the connection unexpectedly")


def test_connections_are_lent_up_to_the_bound_and_used_again(monkeypatch):
    """Who comes later waits for one that is given back; what is broken counts no more."""
    monkeypatch.setattr(bounded_connections, "PATIENCE", 0.2)
    lender = BoundedConnections("default", 2)
    first, second = lender.getconn(), lender.getconn()
    with pytest.raises(NoConnectionFree, match="none of the 2 connections"):
        lender.getconn()
    lender.putconn(first)
    assert lender.getconn() is first
    second.close()
    third = lender.getconn()
    assert third is not second
    first.execute("BEGIN")
    lender.putconn(first)  # with a transaction open: nobody else gets that
    assert first.closed
    lender.putconn(third)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [third.info.backend_pid])
    wait_until(lambda: bounded_connections._has_news(third))
    fourth = lender.getconn()
    assert fourth is not third
    assert fourth.execute("SHOW timezone").fetchone() == ("UTC",)
    lender.putconn(fourth)
    lender.close()
