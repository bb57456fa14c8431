"""The monitor of a worker's parent: it beats and buries, whatever stands in its way."""

import fcntl
import os
import signal
import subprocess
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError

from celeriac.celery import reports, worker
from celeriac.celery.child_monitor import ChildMonitor
from celeriac.celery.instance import WorkerInstance
from celeriac.core import clock
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Job, Worker
from celeriac.jobs.running import child_checks, execute, journals
from celeriac.jobs.running.child_records import ChildRecord
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.execute import capabilities
from celeriac.jobs.running.folders import Folder
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.liveness import WorkerInfo
from tests.support.slots import traces
from tests.support.threads import held_open


@pytest.fixture
def child(tmp_path):
    """Return a monitor that has not started, over an empty folder."""
    instance = WorkerInstance(tmp_path)
    info = WorkerInfo(
        instance.id, "w", "h", os.getpid(), ("default",), tuple(registry.kind_names()), 2
    )
    yield ChildMonitor(instance, lambda: info)
    instance.folder.remove()


@pytest.fixture
def dead_child(child):
    """Leave the journal of a child that died in its first job; return the job."""
    job = enqueue("test.noop", {})
    claim_id = uuid4()
    assert claim_jobs([job.id], claim_id=claim_id, worker=child._instance.id, known=capabilities())
    journal = FileJournal(child._instance.folder.path)
    journal.open(claim_id, [job.id])
    journal.start(job.id, 0.0)
    journal.abandon()
    return job


@pytest.mark.django_db
def test_it_beats_though_a_child_can_not_be_buried(child, dead_child, monkeypatch):
    """Or one bad row would have every other child's jobs rescued."""

    def stumble(*args, **kwargs):
        raise RuntimeError("no grave")

    monkeypatch.setattr(child_checks, "settle_dead_child", stumble)
    monkeypatch.setattr(reports.connection, "close", lambda: None)
    child.teller.report()
    assert Worker.objects.filter(id=child._instance.id, claims__len=1).exists()


@pytest.mark.django_db
def test_a_beat_tells_when_a_child_last_had_an_answer(child, monkeypatch):
    """From claims too that took nothing; a doorbell that nobody could answer is none."""

    def refuse(*args, **kwargs):
        raise OperationalError("no answer")

    journal = FileJournal(child._instance.folder.path)
    worker_context = execute.WorkerContext(
        worker=child._instance.id, capabilities=capabilities(), journal=journal
    )
    with monkeypatch.context() as broken:
        broken.setattr("celeriac.jobs.running.worker_context.claim_jobs", refuse)
        with suppress(OperationalError):
            execute.answer_doorbell([uuid4()], context=worker_context)
    child.teller.report()
    assert Worker.objects.get(id=child._instance.id).answered_at is None
    execute.answer_doorbell([uuid4()], context=worker_context)
    child.teller._beaten = float("-inf")
    child.teller.report()
    answered_at = Worker.objects.get(id=child._instance.id).answered_at
    assert timedelta(0) <= clock.db_now() - answered_at < timedelta(seconds=30)
    journal.abandon()
    child.teller.report()  # its child is gone
    child.teller._beaten = float("-inf")
    child.teller.report()
    again = Worker.objects.get(id=child._instance.id).answered_at
    assert abs(again - answered_at) < timedelta(seconds=1)  # an age, counted back from each beat


@pytest.mark.django_db(transaction=True)
def test_a_child_whose_job_is_locked_is_buried_later_with_its_reason(child, dead_child):
    """The worker beats meanwhile, and lists the claim so that nobody else settles it."""
    (journal,) = child._instance.folder.child_journals.all()
    journal.note_kill(dead_child.id, "ran past its hard limit and was killed")
    with held_open(lambda: Job.objects.select_for_update().get(pk=dead_child.pk)):
        child.teller.report()
        assert Worker.objects.filter(id=child._instance.id, claims__len=1).exists()
    child.teller.report()
    dead_child.refresh_from_db()
    assert (dead_child.state, dead_child.losses) == ("queued", 1)
    assert "hard limit" in dead_child.error
    assert child._instance.folder.child_journals.all() == []


@pytest.fixture
def neighbours(child):
    """Leave the journal of a child that died in two of its slots; return it and their jobs."""
    jobs = [enqueue("test.noop", {}) for _ in range(2)]
    claim_id, me = uuid4(), child._instance.id
    ids = [job.id for job in jobs]
    assert len(claim_jobs(ids, claim_id=claim_id, worker=me, known=capabilities())) == 2
    journal = FileJournal(child._instance.folder.path, slots=2)
    for slot, job in zip(journal.slots, jobs, strict=True):
        slot.open(claim_id, [job.id])
        slot.start(job.id, 0.0)
    return journal, jobs


@pytest.mark.django_db(transaction=True)
def test_one_that_ends_between_look_and_kill_costs_its_neighbours_nothing(
    child, neighbours, monkeypatch
):
    """The note is of the child that is killed, not of a job that may have left it."""
    monkeypatch.setattr(child_checks, "kill_child", lambda pid: None)  # this process
    journal, (gone, neighbour) = neighbours
    (seen,) = child._instance.folder.child_journals.all()
    child_checks.kill_overdue(seen.read_all()[1:2], seen.note_kill)
    Job.objects.filter(pk=gone.pk).update(state="queued", claim_id=None, started_at=None)
    journal.slots[0].close()
    journal.abandon()
    child.teller.report()
    neighbour.refresh_from_db()
    assert (neighbour.state, neighbour.losses) == ("queued", 0)
    assert str(gone.id) in neighbour.attempts.get().message


@pytest.mark.django_db(transaction=True)
def test_whoever_buries_a_child_knows_whom_it_was_killed_for(child, neighbours, tmp_path):
    """Its worker died after the kill: another one of the host settles what it left."""
    journal, (overran, neighbour) = neighbours
    (seen,) = child._instance.folder.child_journals.all()
    seen.note_kill(overran.id, "ran past its hard limit")
    journal.abandon()
    child.teller._left.append(child._instance.folder)
    child.teller._settle_left(child._instance.folder)
    found = [Job.objects.get(pk=job.pk) for job in (overran, neighbour)]
    assert [(job.state, job.losses) for job in found] == [("queued", 1), ("queued", 0)]


def test_a_child_that_is_gone_already_needs_no_killing():
    """It may end between the look and the kill."""
    gone = subprocess.Popen(["true"])
    gone.wait(10)
    overdue = ChildRecord(gone.pid, alive=True, running=uuid4(), running_until=0.0)
    killed = []
    child_checks.kill_overdue([overdue], lambda job_id, _: killed.append(job_id))
    assert killed == [overdue.running]


@pytest.mark.parametrize("make", [FileJournal, lambda parent: Folder.make(parent, uuid4())])
def test_no_slot_is_seen_before_it_is_locked(tmp_path, monkeypatch, make):
    """It would be taken for a dead child's and removed, and its owner work unseen ever after."""
    lock = fcntl.flock
    seen = []

    def look(file, operation):
        seen.extend([*tmp_path.glob("*.slot"), *tmp_path.glob("*/owner")])
        lock(file, operation)

    monkeypatch.setattr(journals.fcntl, "flock", look)
    made = make(tmp_path)
    assert seen == []
    made.abandon() if isinstance(made, FileJournal) else made.remove()


def test_a_fork_of_a_dead_child_does_not_keep_it_alive(tmp_path):
    """It shares every open file of the child, the journal's lock too."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            journal = FileJournal(tmp_path)
            journal.open(uuid4(), [])
            if os.fork() == 0:
                os.close(write)
                os.read(read, 1)  # until the test ends
        os._exit(0)
    os.close(read)
    os.waitpid(child, 0)
    (trace,) = traces(tmp_path)
    os.close(write)
    assert not trace.alive


def test_processes_that_a_handler_forks_can_be_terminated():
    """The child outlives a SIGTERM to the group; what it forks has the default back."""
    child = os.fork()
    if child == 0:
        status = 1
        with suppress(BaseException):
            worker._outlive_sigterm()
            os.kill(os.getpid(), signal.SIGTERM)
            if os.fork() == 0:
                os._exit(0 if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else 1)
            _, forked = os.wait()
            status = 0 if forked == 0 else 2
        os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_programs_that_a_handler_starts_can_be_terminated(tmp_path, monkeypatch):
    """What is ignored stays ignored in another program; what is handled does not."""
    child = os.fork()
    if child == 0:
        status = 1
        with suppress(BaseException):
            monkeypatch.setattr(worker, "_instance", WorkerInstance(tmp_path))
            worker._outlive_sigterm()
            worker.worker_context()
            ignored = signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # as billiard needs it
            worker.worker_context()  # a doorbell's
            os.kill(os.getpid(), signal.SIGTERM)
            program = subprocess.Popen(["sleep", "60"])
            program.terminate()
            status = 0 if ignored and program.wait(30) == -signal.SIGTERM else 2
        os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.django_db
def test_the_teller_reads_the_journals_when_somebody_saw_a_dead_child(
    child, dead_child, monkeypatch
):
    """Between two beats it has nothing to read otherwise: four times a second cost half of it."""
    teller = child.teller
    monkeypatch.setattr(reports.connection, "close", lambda: None)
    monkeypatch.setattr(teller, "_is_due", lambda: False)
    teller._wanted.clear()
    teller._look()
    assert Job.objects.get(pk=dead_child.id).state == "running"
    child.check_children()
    teller._look()
    assert Job.objects.get(pk=dead_child.id).state == "queued"
