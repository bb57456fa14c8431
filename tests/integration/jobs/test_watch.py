"""The watch of a worker's parent: it beats and buries, whatever stands in its way."""

import fcntl
import os
import signal
import subprocess
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError

from celeriac.celery import telling, worker
from celeriac.celery.boot import Boot
from celeriac.celery.watching import Watch
from celeriac.core import clock
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Job, Worker
from celeriac.jobs.running import execute, slots, watch
from celeriac.jobs.running.claim import claim
from celeriac.jobs.running.execute import knowledge
from celeriac.jobs.running.folders import Folder
from celeriac.jobs.running.liveness import Card
from celeriac.jobs.running.slots import FileSlot
from celeriac.jobs.running.wards import Trace
from tests.support.slots import traces
from tests.support.threads import held_open


@pytest.fixture
def ward(tmp_path):
    """Return a watch that has not started, over an empty folder."""
    boot = Boot(tmp_path)
    card = Card(boot.id, "w", "h", os.getpid(), ("default",), tuple(registry.names()), 2)
    yield Watch(boot, lambda: card)
    boot.folder.remove()


@pytest.fixture
def dead_child(ward):
    """Leave the slot of a child that died in its first job; return the job."""
    job = enqueue("test.noop", {})
    claim_id = uuid4()
    assert claim([job.id], claim_id=claim_id, worker=ward._boot.id, known=knowledge())
    slot = FileSlot(ward._boot.folder.path)
    slot.open(claim_id, [job.id])
    slot.start(job.id, 0.0)
    slot.abandon()
    return job


@pytest.mark.django_db
def test_it_beats_though_a_child_can_not_be_buried(ward, dead_child, monkeypatch):
    """Or one bad row would have every other child's jobs rescued."""

    def stumble(*args, **kwargs):
        raise RuntimeError("no grave")

    monkeypatch.setattr(watch, "bury", stumble)
    monkeypatch.setattr(telling.connection, "close", lambda: None)
    ward.teller.tell()
    assert Worker.objects.filter(id=ward._boot.id, claims__len=1).exists()


@pytest.mark.django_db
def test_a_beat_tells_when_a_child_last_had_an_answer(ward, monkeypatch):
    """From claims too that took nothing; a doorbell that nobody could answer is none."""

    def refuse(*args, **kwargs):
        raise OperationalError("no answer")

    slot = FileSlot(ward._boot.folder.path)
    desk = execute.Desk(worker=ward._boot.id, known=knowledge(), slot=slot)
    with monkeypatch.context() as broken:
        broken.setattr("celeriac.jobs.running.desk.claim", refuse)
        with suppress(OperationalError):
            execute.answer([uuid4()], desk=desk)
    ward.teller.tell()
    assert Worker.objects.get(id=ward._boot.id).answered_at is None
    execute.answer([uuid4()], desk=desk)
    ward.teller._beaten = float("-inf")
    ward.teller.tell()
    answered_at = Worker.objects.get(id=ward._boot.id).answered_at
    assert timedelta(0) <= clock.read() - answered_at < timedelta(seconds=30)
    slot.abandon()
    ward.teller.tell()  # its child is gone
    ward.teller._beaten = float("-inf")
    ward.teller.tell()
    again = Worker.objects.get(id=ward._boot.id).answered_at
    assert abs(again - answered_at) < timedelta(seconds=1)  # an age, counted back from each beat


@pytest.mark.django_db(transaction=True)
def test_a_child_whose_job_is_locked_is_buried_later_with_its_reason(ward, dead_child):
    """The worker beats meanwhile, and lists the claim so that nobody else settles it."""
    ward.teller.killed[dead_child.id] = "ran past its hard limit and was killed"
    with held_open(lambda: Job.objects.select_for_update().get(pk=dead_child.pk)):
        ward.teller.tell()
        assert Worker.objects.filter(id=ward._boot.id, claims__len=1).exists()
    ward.teller.tell()
    dead_child.refresh_from_db()
    assert (dead_child.state, dead_child.losses) == ("queued", 1)
    assert "hard limit" in dead_child.error
    assert ward._boot.folder.wards.all() == []


def test_a_child_that_is_gone_already_needs_no_killing():
    """It may end between the look and the kill."""
    gone = subprocess.Popen(["true"])
    gone.wait(10)
    overdue = Trace(gone.pid, alive=True, running=uuid4(), running_until=0.0)
    assert watch.kill_overdue([overdue]) == [overdue.running]


@pytest.mark.parametrize("make", [FileSlot, lambda parent: Folder.make(parent, uuid4())])
def test_no_slot_is_seen_before_it_is_locked(tmp_path, monkeypatch, make):
    """It would be taken for a dead child's and removed, and its owner work unseen ever after."""
    lock = fcntl.flock
    seen = []

    def look(file, operation):
        seen.extend([*tmp_path.glob("*.slot"), *tmp_path.glob("*/owner")])
        lock(file, operation)

    monkeypatch.setattr(slots.fcntl, "flock", look)
    made = make(tmp_path)
    assert seen == []
    made.abandon() if isinstance(made, FileSlot) else made.remove()


def test_a_fork_of_a_dead_child_does_not_keep_it_alive(tmp_path):
    """It shares every open file of the child, the slot's lock too."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            slot = FileSlot(tmp_path)
            slot.open(uuid4(), [])
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
            monkeypatch.setattr(worker, "_boot", Boot(tmp_path))
            worker._outlive_sigterm()
            worker.desk()
            ignored = signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # as billiard needs it
            worker.desk()  # a doorbell's
            os.kill(os.getpid(), signal.SIGTERM)
            program = subprocess.Popen(["sleep", "60"])
            program.terminate()
            status = 0 if ignored and program.wait(30) == -signal.SIGTERM else 2
        os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
