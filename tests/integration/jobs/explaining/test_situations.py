"""Twelve ways to be stuck or dead, and the sentence that the job's page shows for each.

Each is brought about by the services that bring it about in earnest.
"""

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from celeriac import pause_queue
from celeriac.breakers.api import force_open
from celeriac.core import clock
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.dispatching.expire import expire_jobs
from celeriac.jobs.dispatching.rescue import rescue_lost_runs
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Job, Worker
from celeriac.jobs.phrases import clock_time
from celeriac.jobs.running import execute
from tests.factories import JobFactory
from tests.factories_domain import PaymentFactory, age, capture_of, work
from tests.integration.jobs.dispatching import Harness, hire

pytestmark = pytest.mark.django_db

SPAN = r"\d+ (s|min)"
MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


def test_1_a_paused_queue(read, dispatcher, worker):
    """By whom, until when, why; and the verb that ends it."""
    until = clock.db_now() + timedelta(hours=1)
    pause_queue("default", reason="the shop moves", actor="ada", until=until)
    page = read(enqueue("test.note", {"name": "a"}))
    assert page.sentence == (
        f"It is not running because the queue default is paused by ada until {clock_time(until)}: "
        "the shop moves."
    )
    assert page.steps == [("Resume", "manage.py queues resume default")]
    assert page.said.view == "parked"


def test_2_an_open_circuit(read, dispatcher, worker):
    """Which one, until when, and who forced it."""
    until = clock.db_now() + timedelta(hours=1)
    force_open("payments", reason="the gateway is down", actor="ada", until=until)
    page = read(enqueue("test.guarded", {"name": "a"}))
    assert page.sentence == (
        f"It is not running because the circuit payments is open until {clock_time(until)}: "
        "ada forced it open (the gateway is down)."
    )
    assert "somebody decided that no call goes out" in page.source
    assert ("Clear", "manage.py breakers clear payments") in page.steps
    assert page.said.view == "parked"


def test_3_a_lock_that_another_job_holds(read, dispatcher, worker, start):
    """Which job it is, with its page."""
    holder = enqueue("test.locked", {"account": "7"})
    start(holder, worker)
    page = read(enqueue("test.locked", {"account": "7"}))
    assert re.fullmatch(
        rf"It is not running because job {holder.id} \(test.locked\) holds the lock 'account:7' "
        rf"since {MOMENT}\.",
        page.sentence,
    )
    assert f"/admin/celeriac_jobs/job/{holder.id}/change/" in page.source


def test_4_superseded_by_a_newer_job(read, declare):
    """Its unique key was queued anew while it ran, so there is nothing to run again."""

    def refresh(number: int) -> None:
        enqueue("test.refresh", {"number": number + 1})
        raise ValueError("no luck")

    declare(refresh, "test.refresh", unique="refresh", retry=Backoff(max_attempts=3))
    job = enqueue("test.refresh", {"number": 1})
    execute.answer_doorbell(
        [job.id], context=execute.WorkerContext(worker=uuid4(), capabilities=execute.capabilities())
    )
    successor = Job.objects.get(state="queued")
    page = read(job)
    assert page.sentence == (
        f"It was superseded: job {successor.id} of the same unique key 'refresh' took its place, "
        "which is queued."
    )
    assert f"/admin/celeriac_jobs/job/{successor.id}/change/" in page.source


def test_5_a_time_ahead(read, dispatcher, worker):
    """When."""
    job = enqueue("test.note", {"name": "a"}, delay=3600)
    page = read(job)
    assert page.sentence == f"It is scheduled at {clock_time(job.run_at)}."
    assert page.steps == [("Run now", "")]
    assert page.events[-1] == "Due"


def test_6_no_worker_for_its_queue(read, dispatcher, later):
    """And who was the last."""
    hire()
    gone = hire(queues=("payments",))
    job = enqueue("test.note", {"name": "a"}, queue="payments")
    with later(60):
        dispatcher.dispatcher.leases.renew()
        page = read(job)
    assert re.fullmatch(
        "It is not running because no living worker serves the queue payments: "
        rf"worker-{gone} was last heard of {SPAN} ago\.",
        page.sentence,
    )
    assert page.steps == [("", "celery -A config worker -Q payments")]


def test_7_no_dispatcher(read, later):
    """Workers live, and nobody rings."""
    Harness()
    job = enqueue("test.note", {"name": "a"})
    with later(60):
        hire()
        page = read(job)
    assert re.fullmatch(
        rf"It is not running because no dispatcher serves the queue default: \S+ held it "
        rf"until {MOMENT}\.",
        page.sentence,
    )
    assert page.steps == [("", "manage.py dispatcher")]


def test_8_a_kind_that_no_worker_knows(read, dispatcher):
    """A deploy is half-way: the job is parked, never killed."""
    hire(kinds=("test.noop",))
    hire(kinds=("test.sleep",))
    page = read(enqueue("test.note", {"name": "a"}))
    assert page.sentence == (
        "It is not running because no living worker of the queue default knows 'test.note' "
        "(2 workers looked at)."
    )
    assert (page.code, page.said.view) == ("unknown_kind", "parked")


def test_9_expired(read, later):
    """Its deadline passed before anything had started it."""
    job = enqueue("test.note", {"name": "a"}, expires_at=timedelta(seconds=30))
    with later(60):
        assert expire_jobs() == 1
        page = read(job)
    assert page.sentence == (
        "It was cancelled because it expired: nothing had started it by "
        f"{clock_time(job.expires_at)}."
    )
    assert page.steps[0] == ("Retry", f"manage.py jobs retry {job.id}")
    assert "Expired" in page.events


def lose(job, start, later, seconds):
    """Let a worker take the job and fall silent; rescue what is left."""
    with later(seconds):
        worker = hire()
        start(job, worker)
    with later(seconds + 60):
        assert rescue_lost_runs()
    return worker


def test_10_poisonous(read, declare, start, later):
    """It took its worker down as often as it may."""
    declare(lambda: None, "test.poison", max_losses=2)
    job = enqueue("test.poison", {})
    lose(job, start, later, 0)
    last = lose(job, start, later, 100)
    page = read(job)
    assert page.sentence == (
        "It is dead because 2 runs of it ended with the worker process, and 2 may: it is likely "
        f"what kills workers. The last time, its worker worker-{last} is silent."
    )
    assert page.code == "poisonous"
    assert page.steps[-1][0] == "Retry"
    assert len([title for title in page.events if title.startswith("Run ")]) == 2


def test_11_a_lost_worker(read, dispatcher, start, later):
    """Before the rescue, and after it."""
    job = enqueue("test.note", {"name": "a"})
    worker = hire()
    start(job, worker)
    with later(60):
        dispatcher.dispatcher.leases.renew()
        page = read(job)
        assert re.fullmatch(
            rf"It is lost, run 1 will not end: its worker worker-{worker} was last heard of "
            rf"{SPAN} ago\.",
            page.sentence,
        )
        assert page.code == "worker_lost"
        rescue_lost_runs()
        hire()
        page = read(job)
    assert page.code == "turn"
    assert "Run 1 was lost with its process" in page.text
    assert "Run 1 was lost with its process, and rescued" in page.events


@pytest.mark.django_db(transaction=True)
def test_12_a_payment_whose_outcome_is_unknown_and_waits_for_a_human(read, gateway, settings):
    """The job has ended; the money is a human's matter, and the page says so."""
    settings.PAYMENTS_MAX_LOOKUPS = 0
    gateway.faults(drop_rate=1.0, seed=1)
    payment = PaymentFactory()
    job = Job.objects.get(kind="payments.capture")
    work(rounds=1)
    age(payment, timedelta(hours=24))
    work(rounds=2)
    operation = capture_of(payment)
    assert (operation.state, operation.waits_for_a_human) == ("unknown", True)
    page = read(job)
    assert page.sentence == (
        f"It has done what it can: the capture of payment {payment.reference} is unknown and "
        "waits for a human. 1 calls and 0 look-ups brought no answer: compare with the "
        "provider's dashboard, then decide."
    )
    assert page.steps[0][0] == "Decide"
    assert f"/admin/payments/operation/{operation.id}/decide" in page.source
    assert page.links[f"Payment {payment.reference}"].endswith(f"{payment.id}/change/")
    assert "The capture: review" in page.events


def test_there_are_no_others_that_the_page_leaves_without_a_sentence(read, worker, dispatcher):
    """Whatever state a job is in, there is one, and something to do."""
    for state in ("queued", "running", "succeeded", "dead", "cancelled"):
        page = read(JobFactory(state=state))
        assert page.sentence.startswith("It ")


def test_a_job_that_waits_behind_another_of_its_claim_does_not_say_that_it_runs(read, worker):
    """Only one of a doorbell runs at a time; the worker's beat says which."""
    claim_id = uuid4()
    run = {"state": "running", "attempt": 1, "claim_id": claim_id, "worker": worker}
    first, second = (JobFactory(**run, started_at=clock.db_now()) for _ in range(2))
    Worker.objects.update(running=[first.pk], claims=[claim_id])
    behind = f"It is claimed behind job {first.pk} ({first.kind}), which runs on worker-"
    assert read(second).sentence.startswith(behind)
    assert read(first).sentence.startswith("It is running")
