"""What a handler learns of the stop of its worker, and what the job's page says of it."""

import time
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from celeriac import Backoff, Cancelled, Snooze, cancel, current_job
from celeriac.console.explaining.facts import gather_facts
from celeriac.console.explaining.timeline import job_timeline
from celeriac.jobs.models import Job
from celeriac.jobs.running import child_checks, execute
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.worker_context import WorkerContext, capabilities
from tests.support.processes import wait_until
from tests.support.slots import traces

pytestmark = pytest.mark.django_db(transaction=True)

ONCE = Backoff(max_attempts=1)
STOPPED = "its worker was stopped (deploy)"


@pytest.fixture
def stop():
    """Return a switch: whether the worker stops."""
    return []


@pytest.fixture
def worker_context(stop):
    """Return the desk of a worker that stops once it is told to."""
    return WorkerContext(uuid4(), capabilities(), stopping=lambda: bool(stop))


@pytest.fixture
def run(declare, make_job, worker_context):
    """Return a function that runs one job with this handler."""

    def run(handler, **policy):
        kind = declare(handler, f"test.{handler.__name__}", retry=ONCE, **policy)
        worker_context.capabilities = capabilities()
        job = make_job(kind.name)
        execute.answer_doorbell([job.id], context=worker_context)
        job.refresh_from_db()
        return job

    return run


def told(job):
    """Return the lines of the job's timeline."""
    events = job_timeline(gather_facts(job), [])
    return [f"{event.title}: {event.text}" for event in events]


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (Snooze(0), STOPPED),
        (Snooze(0, "page 7 is next"), f"{STOPPED}: page 7 is next"),
        (Cancelled(), STOPPED),
    ],
    ids=["snooze", "snooze with a reason", "cancelled"],
)
def test_a_handler_gives_way_to_the_stop_of_its_worker(run, stop, ending, reason, transactional):
    """From the stop on it is told, with the reason; it goes on later, and nothing is charged."""
    said = []

    def handler():
        this = current_job()
        said.append((this.should_stop(), this.stop_reason))
        stop.append(True)
        wait_until(this.should_stop, timeout=5, every=0.001)
        said.append((this.should_stop(), this.stop_reason))
        raise ending

    job = run(handler, transactional=transactional)
    assert said == [(False, ""), (True, STOPPED)]
    assert (job.state, job.attempt, job.failures, job.losses) == ("queued", 1, 0, 0)
    assert job.wait_reason == reason
    assert any(line.startswith("Run 1 was cut short") and reason in line for line in told(job))
    Job.objects.update(attempt=2, wait_reason="", state="running", claim_id=uuid4())
    job.refresh_from_db()
    assert any(reason in line for line in told(job))  # also once it runs again


def test_a_cancel_that_somebody_asked_for_stands(run, stop):
    """Though the handler heard of the stop only."""

    def handler():
        this = current_job()
        stop.append(True)
        wait_until(this.should_stop, timeout=5, every=0.001)
        cancel(this.id, actor="ada", reason="enough")
        raise Cancelled

    assert run(handler).state == "cancelled"


def test_a_cancel_and_a_lost_claim_have_their_reasons(run):
    """The row is looked at again after half a second."""
    said = []

    def handler():
        this = current_job()
        cancel(this.id, actor="ada", reason="enough")
        said.append(this.should_stop() and this.stop_reason)
        raise Cancelled

    assert run(handler).state == "cancelled"

    def robbed():
        Job.objects.filter(id=current_job().id).update(claim_id=uuid4())
        said.append(current_job().should_stop() and current_job().stop_reason)

    run(robbed)
    assert said == ["a cancel was asked for", "the job is no longer this run's"]


def test_a_snooze_of_a_handler_that_was_not_told_is_its_own(run, stop):
    """It asked nothing, or nothing stops."""

    def ask():
        current_job().should_stop()
        raise Snooze(30)

    def ask_nothing():
        stop.append(True)
        raise Snooze(30)

    assert [run(ask).wait_reason, run(ask_nothing).wait_reason] == ["snoozed by its handler"] * 2
    assert not Job.objects.filter(attempts__isnull=False).exists()


def test_to_ask_is_cheap(run, worker_context):
    """As often as a handler likes: a look at the stop sign every 10 ms, at the row every 0.5 s."""
    glances, asked, queries = [], [], []
    worker_context.stopping = lambda: glances.append(time.monotonic())

    def handler():
        until = time.monotonic() + 0.2
        with CaptureQueriesContext(connection) as captured:
            while time.monotonic() < until:
                asked.append(current_job().should_stop())
        queries.append(len(captured))

    run(handler)
    assert not any(asked)
    assert queries == [1]
    assert len(glances) <= 25 < len(asked)


def test_a_handler_that_outlasts_the_grace_is_laid_to_the_deploy(
    make_job, worker_context, tmp_path
):
    """Its page says so, also after the next run has begun."""
    job = make_job("test.noop", max_attempts=1)
    claim_id = uuid4()
    assert claim_jobs(
        [job.id], claim_id=claim_id, worker=worker_context.worker, known=worker_context.capabilities
    )
    slot = FileJournal(tmp_path)
    slot.open(claim_id, [job.id])
    slot.start(job.id, 0.0)
    slot.abandon()
    (trace,) = traces(tmp_path)
    assert child_checks.settle_dead_child([trace], {}, reason="killed", blameless=True)
    job.refresh_from_db()
    assert (job.state, job.failures, job.losses, job.wait_reason) == ("queued", 0, 0, STOPPED)
    assert any(line.startswith("Run 1 was cut short") and STOPPED in line for line in told(job))
