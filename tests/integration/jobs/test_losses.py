"""What may not happen twice: which losses bring a run back, and which leave it for somebody."""

import math
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from celeriac.jobs import registry
from celeriac.jobs.dispatching.rescue import rescue_lost_runs
from celeriac.jobs.losses import FEW, Loss
from celeriac.jobs.models import Job
from celeriac.jobs.outcomes import UNDECIDED
from celeriac.jobs.running import child_checks, outage, perform
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.execute import answer_doorbell, capabilities
from celeriac.jobs.running.journals import FileJournal
from tests.integration.jobs.dispatching import hire, queued
from tests.support.slots import traces

pytestmark = pytest.mark.django_db


@pytest.fixture
def dead(tmp_path):
    """Return what claims jobs in a child that died in the first; it returns ids and record."""

    def die(kind, many=1):
        ids, claim_id = queued(kind, many=many), uuid4()
        assert claim_jobs(ids, claim_id=claim_id, worker=hire(), known=capabilities())
        slot = FileJournal(tmp_path)
        slot.open(claim_id, ids)
        slot.start(ids[0], registry.find_kind(kind).hard_timeout)
        slot.abandon()
        (record,) = traces(tmp_path)
        return ids, record

    return die


def state(job_id):
    """Return what a job's row says of its last run."""
    job = Job.objects.get(pk=job_id)
    return job.state, job.losses


@pytest.mark.parametrize(
    ("kind", "loss", "found"),
    [
        ("test.noop", Loss.CHILD, ("queued", 1)),
        ("test.noop", Loss.OVERRUN, ("queued", 1)),
        ("test.late", Loss.CHILD, ("dead", 1)),
        ("test.late", Loss.WORKER, ("queued", 1)),
        ("test.late", Loss.OVERRUN, ("dead", 1)),
        ("test.never_twice", Loss.CHILD, ("dead", 1)),
        ("test.never_twice", Loss.WORKER, ("dead", 1)),
        ("test.never_twice", Loss.OVERRUN, ("dead", 1)),
    ],
)
def test_what_took_the_process_decides_whether_a_run_happens_again(dead, kind, loss, found):
    """Of a claim whose parent or whose next worker reads the journal."""
    ids, record = dead(kind)
    assert child_checks.settle_dead_child([record], {}, reason="killed", loss=loss)
    assert state(ids[0]) == found
    assert (UNDECIDED in Job.objects.get(pk=ids[0]).error) == (found[0] == "dead")


def test_what_provably_never_began_is_released_as_ever(dead):
    """Its neighbour died; the journal says that its own turn had not come."""
    (began, waited), record = dead("test.never_twice", many=2)
    child_checks.settle_dead_child([record], {}, reason="killed", loss=Loss.CHILD)
    assert state(began) == ("dead", 1)
    job = Job.objects.get(pk=waited)
    assert (job.state, job.attempt, job.losses) == ("queued", 0, 0)


@pytest.mark.parametrize(("kind", "found"), [("test.late", "queued"), ("test.never_twice", "dead")])
def test_a_stop_that_cuts_a_run_short_is_the_loss_of_its_worker(dead, kind, found):
    """It charges nobody whose run may happen again, and starts nothing twice that may not."""
    ids, record = dead(kind)
    child_checks.settle_dead_child([record], {}, reason="stopped", loss=Loss.WORKER, blameless=True)
    assert state(ids[0]) == (found, int(found == "dead"))


def test_a_neighbour_of_one_past_its_limit_runs_again_at_no_charge_if_it_may(dead):
    """Many ran in one process, which was killed for one of them."""
    found = [dead(kind) for kind in ("test.noop", "test.noop", "test.never_twice")]
    (overran,), (again,), (never,) = (ids for ids, _ in found)
    records = [record for _, record in found]
    assert child_checks.settle_dead_child(records, {overran: "ran past its hard limit"})
    assert [state(each) for each in (overran, again, never)] == [
        ("queued", 1),
        ("queued", 0),
        ("dead", 1),
    ]
    assert f"job {overran}" in Job.objects.get(pk=never).error


@pytest.mark.parametrize(
    ("worker", "kind", "found"),
    [
        ({"stopped_at": timezone.now()}, "test.late", "queued"),
        ({"stopped_at": timezone.now()}, "test.never_twice", "dead"),
        ({"claims": [uuid4()]}, "test.late", "dead"),  # it lives, and does not hold the claim
    ],
)
def test_a_dispatcher_tells_a_lost_worker_from_a_claim_that_it_gave_up(worker, kind, found):
    """By what the worker's row says."""
    owner = hire(**worker)
    ids = queued(kind)
    Job.objects.filter(id__in=ids).update(
        state="running", attempt=1, worker=owner, claim_id=uuid4(), started_at="2020-01-01T00:00Z"
    )
    assert len(rescue_lost_runs()) == 1
    assert state(ids[0])[0] == found


@pytest.mark.parametrize(("kind", "found"), [("acme.unknown", "dead"), ("nobody.knows", "queued")])
def test_a_projects_task_that_a_dispatcher_does_not_know_is_not_started_again(
    settings, kind, found
):
    """It can't know what Celery would do; of the ledger's own kinds it can."""
    settings.CELERIAC = {**settings.CELERIAC, "TASKS": ["acme.*"]}
    ids = queued(kind)
    Job.objects.filter(id__in=ids).update(
        state="running",
        attempt=1,
        worker=hire(stopped_at=timezone.now()),
        claim_id=uuid4(),
        started_at="2020-01-01T00:00Z",
    )
    assert len(rescue_lost_runs()) == 1
    assert state(ids[0])[0] == found


def test_without_a_hard_limit_a_run_is_never_overdue(dead):
    """However long ago it began."""
    _, record = dead("test.late")
    assert record.running_until == math.inf


@pytest.mark.parametrize(("kind", "commit"), [("test.noop", "off"), ("test.never_twice", "on")])
def test_a_claim_outlives_the_database_where_its_run_must_not_happen_again(kind, commit):
    """Another claim may be forgotten: its fence refuses what was done under it."""
    claim_jobs(queued(kind), claim_id=uuid4(), worker=uuid4(), known=capabilities())
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == (commit,)


def test_jobs_that_may_begin_once_travel_few_to_a_doorbell():
    """A lost host leaves few in doubt."""
    assert registry.find_kind("test.never_twice").widest == FEW
    assert registry.find_kind("test.late").widest is None


@pytest.mark.parametrize(("kind", "found"), [("test.note", "queued"), ("test.never_twice", "dead")])
def test_a_lost_database_is_a_failure_where_the_kind_says_so(
    kind, found, worker_context, monkeypatch
):
    """As in Celery, whose tasks see an error like any other."""
    monkeypatch.setattr(outage, "went_away", lambda *_: True)
    monkeypatch.setattr(
        perform, "_call", lambda *_: (_ for _ in ()).throw(OperationalError("server closed"))
    )
    args = {"name": "x"} if kind == "test.note" else {}
    ids = queued(kind, args=args, max_attempts=1)
    [run] = answer_doorbell(ids, context=worker_context)
    assert run.settled.state == found
