"""The child monitor under faults: a hung database, locks, dead workers' folders, long jobs."""

import os
import shutil
import threading
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from celery.exceptions import WorkerShutdown
from django.db import connection, connections

from celeriac.celery import doorbells, worker
from celeriac.celery.child_monitor import ChildMonitor
from celeriac.celery.instance import WorkerInstance
from celeriac.jobs import registry
from celeriac.jobs.dispatching import live_workers, rescue
from celeriac.jobs.models import Job, Sign, Worker
from celeriac.jobs.running import execute, folders
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.execute import WorkerContext, capabilities
from celeriac.jobs.running.folders import Folder
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.liveness import WorkerInfo
from celeriac.jobs.running.run import Run
from sandbox.proxy import Proxy
from tests.integration.jobs.dispatching import start
from tests.support.threads import held_open, threads, wait_until


@pytest.fixture
def instance(tmp_path):
    """Return a instance of a worker."""
    instance = WorkerInstance(tmp_path)
    yield instance
    instance.folder.remove()


@pytest.fixture
def child(instance, settings):
    """Return a monitor that has not started, with a lease of four seconds."""
    settings.CELERIAC = {**settings.CELERIAC, "WORKER_LEASE_SECONDS": 4.0}
    info = WorkerInfo(
        instance.id, "w", "h", os.getpid(), ("default",), tuple(registry.kind_names()), 2
    )
    return ChildMonitor(instance, lambda: info)


def die_with(folder, owner, *, ended=(), running=None, unstarted=()):
    """Leave the journal of a child that died so; return its claim."""
    claim_id, journal = uuid4(), FileJournal(folder)
    jobs = [*ended, *([running] if running else []), *unstarted]
    claimed = claim_jobs(
        [job.id for job in jobs], claim_id=claim_id, worker=owner, known=capabilities()
    )
    by_id = {each.id: each for each in claimed}
    journal.open(claim_id, [job.id for job in jobs])
    for job in ended:
        run = Run(by_id[job.id], registry.find_kind(job.kind), claim_id, time.monotonic())
        journal.start(job.id, 60)
        run.decide(execute.perform_run(run))
        journal.end(run.job.id, run.settlement)
    if running:
        journal.start(running.id, 60)
    journal.abandon()
    return claim_id


# -- a database that says nothing ------------------------------------------------------------


@pytest.fixture
def proxy():
    """Return a way to PostgreSQL that can fall silent."""
    values = connection.settings_dict
    found = Proxy(values["HOST"], int(values["PORT"])).start()
    yield found
    found.stop()


def fall_silent(proxy):
    """Let nothing through any more on the lines that are there; new ones are well."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT client_port FROM pg_stat_activity WHERE client_port > 0")
        proxy.set("blackhole", ports=[port for (port,) in cursor.fetchall()])


@pytest.mark.django_db(transaction=True)
def test_a_watch_whose_connection_hangs_beats_on_another_within_its_lease(
    child, proxy, monkeypatch
):
    """Neither the server nor TCP would end the wait: what is sent is taken, and nothing comes."""

    def by_proxy():
        wrapper = connections["default"]
        place = {"HOST": "127.0.0.1", "PORT": proxy.port}
        wrapper.settings_dict = {**wrapper.settings_dict, **place}

    monkeypatch.setattr("celeriac.celery.reports._connect_impatiently", by_proxy)
    child.start()
    try:
        wait_until(Worker.objects.exists)
        (before,) = Worker.objects.values_list("beat_at", flat=True)
        fall_silent(proxy)
        wait_until(lambda: Worker.objects.get().beat_at > before)
        gap = Worker.objects.get().beat_at - before
    finally:
        child.stop()
    assert gap.total_seconds() < 4.0
    assert Worker.objects.get().stopped_at is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "lock",
    [
        "SELECT FROM celeriac_jobs_worker FOR UPDATE",
        "LOCK TABLE celeriac_jobs_worker IN SHARE MODE",
    ],
    ids=["row", "table"],
)
def test_a_worker_whose_row_is_locked_gives_a_sign_that_it_lives(child, make_job, lock):
    """It is not called lost, and stays among those that a dispatcher rings for."""
    child.teller.report()
    job = make_job("test.noop")
    start([job.id], child._instance.id)
    Worker.objects.update(beat_at=datetime(2020, 1, 1, tzinfo=UTC))
    child.teller._beaten = float("-inf")

    def hold():
        with connection.cursor() as cursor:
            cursor.execute(lock)

    with held_open(hold):
        child.teller.report()
        assert Sign.objects.filter(worker=child._instance.id).exists()
        assert rescue.find_lost_runs() == []
        assert live_workers.read_workers().of_queue("default").slots == 2
        assert Worker.objects.living().exists()
    child.teller.report()
    assert Worker.objects.get().beat_at.year > 2020


@pytest.mark.django_db
def test_a_childs_claim_says_that_the_worker_lives_where_its_watch_can_not(
    instance, settings, monkeypatch, make_job
):
    """Not while the monitor is heard: then it costs no statement."""
    monkeypatch.setattr(worker, "_instance", instance)
    worker_context = WorkerContext(
        worker=instance.id, capabilities=capabilities(), write_sign=worker._write_sign
    )
    instance.heard()
    execute.answer_doorbell([make_job("test.noop").id], context=worker_context)
    assert not Sign.objects.exists()
    settings.CELERIAC = {**settings.CELERIAC, "WORKER_LEASE_SECONDS": 0.02}
    wait_until(lambda: instance.unheard_for > 0.01)
    execute.answer_doorbell([uuid4()], context=worker_context)
    assert Sign.objects.filter(worker=instance.id).exists()


# -- what a dead worker left -----------------------------------------------------------------


@pytest.mark.django_db
def test_what_a_dead_worker_left_is_settled_by_the_next_on_its_host(
    child, settings, tmp_path, make_job
):
    """What had ended well has ended, what ran lost a run, what had not started pays nothing."""
    settings.CELERIAC = {**settings.CELERIAC, "SLOT_DIRECTORY": str(tmp_path)}
    ended, ran, unstarted = (make_job("test.note", {"name": name}) for name in "abc")
    dead = Folder.make(tmp_path, uuid4())
    die_with(dead.path, dead.owner, ended=[ended], running=ran, unstarted=[unstarted])
    dead.leave()
    child.teller.report()
    child.teller.report()
    rows = Job.objects.in_bulk([ended.id, ran.id, unstarted.id])
    assert [(row.state, row.losses, row.attempt) for _, row in sorted(rows.items())] == [
        ("succeeded", 0, 1),
        ("queued", 1, 1),
        ("queued", 0, 0),
    ]
    assert not dead.path.exists()


@pytest.mark.django_db
def test_what_ran_in_a_worker_that_was_stopped_is_charged_nothing(
    child, settings, tmp_path, make_job
):
    """Its supervisor had killed it at the end of the grace, with the database away."""
    settings.CELERIAC = {**settings.CELERIAC, "SLOT_DIRECTORY": str(tmp_path)}
    job = make_job("test.noop")
    dead = Folder.make(tmp_path, uuid4())
    dead.note_stop()
    die_with(dead.path, dead.owner, running=job)
    dead.leave()
    child.teller.report()
    child.teller.report()
    job.refresh_from_db()
    assert (job.state, job.losses, job.failures) == ("queued", 0, 0)


def test_a_folder_is_read_by_one_worker_and_only_of_its_own_ledger(tmp_path, monkeypatch):
    """Two that start at once share nothing; another database's jobs can't be settled here."""
    own = Folder.make(tmp_path, uuid4())
    left = Folder.make(tmp_path, uuid4())
    left.leave()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(folders, "_prefix", lambda: "celeriac-other-")
        foreign = Folder.make(tmp_path, uuid4())
        foreign.leave()
    (first,) = folders.left_behind(tmp_path)
    assert (first.path, first.owner) == (left.path, left.owner)
    assert list(folders.left_behind(tmp_path)) == []
    first.remove()
    old = time.time() - 2 * folders.KEPT
    os.utime(foreign.path / "owner", (old, old))
    assert list(folders.left_behind(tmp_path)) == []
    assert list(tmp_path.iterdir()) == [own.path]
    own.remove()


# -- slots -----------------------------------------------------------------------------------


def test_a_child_whose_file_is_removed_stays_watched_and_is_told(child, instance):
    """Its claim is seen in the file that nobody else can open any more."""
    journal = FileJournal(instance.folder.path)
    claim_id = uuid4()
    child.check_children()
    shutil.rmtree(instance.folder.path)
    journal.open(claim_id, [])
    assert not journal.is_gone
    child.check_children()
    assert [each.read().claim_id for each in instance.folder.child_journals.all()] == [claim_id]
    assert instance.folder.is_whole
    assert journal.is_gone
    journal.abandon()


def test_a_child_that_nobody_sees_takes_no_doorbell(instance, monkeypatch):
    """It hands the jobs back and ends; once it is seen it works."""
    returned = []
    monkeypatch.setattr(worker, "_instance", instance)
    monkeypatch.setattr(worker, "_worker_context", None)
    monkeypatch.setattr(worker, "_journal", None)
    monkeypatch.setattr(worker, "_PATIENCE", 0.1)
    monkeypatch.setattr(doorbells.nudge, "nudge_jobs", lambda ids: returned.extend(ids))
    monkeypatch.setattr(worker.counters.process, "move_to", lambda store: None)
    ids = [uuid4()]
    with pytest.raises(WorkerShutdown):
        doorbells.answer_doorbell([str(each) for each in ids])
    assert returned == ids
    instance.folder.child_journals.all()[0].write_looked(0.0)
    assert worker.doorbell_context().journal is worker._journal
    worker.awake_time.forget_watch()
    worker._journal.abandon()


# -- long jobs -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_nothing_is_both_started_and_taken_back(instance, make_job, settings):
    """Whichever comes first, the child's note of a start or the parent's halt, the other sees."""
    first, second, third = (make_job("test.noop").id for _ in range(3))
    claim_id, journal = uuid4(), FileJournal(instance.folder.path)
    journal.open(claim_id, [first, second, third])
    assert journal.start(first, 60)
    (child,) = instance.folder.child_journals.all()
    assert child.halt(claim_id).unstarted == [second, third]
    assert not journal.start(second, 60)
    assert child.read().unstarted == [third]
    journal.open(uuid4(), [first])
    assert journal.start(first, 60)  # of another claim
    journal.abandon()


@pytest.mark.django_db(transaction=True)
def test_what_was_taken_back_is_no_lost_claim(child, instance, make_job, declare, caplog):
    """The child learns of it after the long job, and settles what is still its own."""
    began, done = threading.Event(), threading.Event()

    def wait() -> None:
        began.set()
        done.wait(30)

    declare(wait, "test.kind", timeout=60.0, hard_timeout=120.0)
    jobs = [make_job("test.kind"), make_job("test.noop")]
    journal = FileJournal(instance.folder.path)
    worker_context = WorkerContext(worker=instance.id, capabilities=capabilities(), journal=journal)
    with threads(1) as begin:
        run = begin(
            lambda: execute.answer_doorbell([job.id for job in jobs], context=worker_context)
        )
        assert began.wait(10)
        wait_until(lambda: child.teller.report() or _state(jobs[1]) == "queued")
        done.set()
        run.result(10)
    journal.abandon()
    assert [_state(job) for job in jobs] == ["succeeded", "queued"]
    jobs[1].refresh_from_db()
    assert jobs[1].attempt == 0
    assert str(jobs[0].id) in jobs[1].wait_reason
    assert "lost claim" not in caplog.text


def _state(job):
    return Job.objects.values_list("state", flat=True).get(pk=job.pk)
