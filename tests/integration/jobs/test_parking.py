"""Jobs behind a circuit: parked while it is open, one at a time half-open, ramped when closed."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from celeriac import Backoff
from celeriac.breakers import testing
from celeriac.breakers.api import CircuitOpen, clear, force_open
from celeriac.breakers.models import Breaker
from celeriac.breakers.ramp import PROBE_TURN
from celeriac.breakers.registry import get_breaker
from celeriac.console.explaining.explain import waiting_reasons
from celeriac.core import clock
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.nudge_message import Nudge
from celeriac.jobs.operating.selectors import queue_depths
from celeriac.jobs.running import execute
from celeriac.jobs.running.execute import capabilities
from celeriac.settings import conf
from celeriac.testing import perform_job
from tests.app.models import Effect
from tests.integration.jobs.dispatching import Harness, fill, hire, queued, start
from tests.support.providers import circuits  # noqa: F401 a fixture

pytestmark = pytest.mark.django_db(transaction=True)

#: A ramp of one speed.
STEADY = {"ramp": 20, "ramp_growth": 1.0, "ramp_seconds": 600}


@pytest.fixture(autouse=True)
def breaker(settings):
    """Return a function that sets how the circuit stands in the database."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {**conf.BREAKERS, "payments": STEADY}}

    def stands(**columns):
        Breaker.objects.update_or_create(name="payments", defaults=columns)

    yield stands
    Breaker.objects.filter(name="payments").delete()


def moment(seconds=0.0):
    """Return the ledger's time, so many seconds from now."""
    return clock.db_now() + timedelta(seconds=seconds)


def refused(name="payments", seconds=40.0):
    """Return a handler that meets an open circuit."""

    def handler() -> None:
        raise CircuitOpen(name=name, retry_after=seconds)

    return handler


def ring(job):
    """Answer a doorbell with what is declared by now."""
    execute.answer_doorbell(
        [job.id], context=execute.WorkerContext(worker=uuid4(), capabilities=capabilities())
    )


# -- a run that meets an open circuit ------------------------------------------------------


def test_a_run_that_meets_an_open_circuit_keeps_its_place_and_its_failures(
    declare, make_job, breaker
):
    """It ran, hence the attempt; nothing failed, and the circuit holds it, not its run_at."""
    declare(refused(), breaker="payments", retry=Backoff(max_attempts=1))
    job = make_job("test.kind", run_at=moment(-60))
    breaker(state="half_open")
    ring(job)
    before, _ = job.run_at, job.refresh_from_db()
    assert (job.state, job.attempt, job.failures, job.losses) == ("queued", 1, 0, 0)
    assert job.run_at == before
    assert job.wait_reason.startswith("the circuit payments is open until 20")
    assert not Attempt.objects.exists()


def test_a_circuit_that_the_database_knows_nothing_of_sends_the_job_to_its_reopening(
    declare, make_job
):
    """A handler may meet any circuit, also one that no kind names."""
    declare(refused("callbacks:shop.example"))
    job = make_job("test.kind")
    ring(job)
    job.refresh_from_db()
    assert (job.state, job.failures) == ("queued", 0)
    assert 30 < (job.run_at - moment()).total_seconds() <= 40
    assert "callbacks:shop.example" in waiting_reasons(job)[0].sentence


def test_a_circuit_of_another_kind_sends_the_job_to_its_reopening(declare, make_job, breaker):
    """Also where the database knows it: nobody would hold the job back from it."""
    declare(refused())
    job = make_job("test.kind", run_at=moment(-60))
    breaker(state="open", open_until=moment(60))
    ring(job)
    job.refresh_from_db()
    assert (job.state, job.failures) == ("queued", 0)
    assert 30 < (job.run_at - moment()).total_seconds() <= 40


# -- claims --------------------------------------------------------------------------------


def test_claims_of_a_half_open_circuit_let_one_job_go(make_job, answer, breaker):
    """The others go back as if never claimed, and are spoken of."""
    breaker(state="open", open_until=moment(-1))
    jobs = [make_job("test.guarded", {"name": str(number)}) for number in range(4)]
    for job in jobs:
        answer(job)
    assert list(Effect.objects.values_list("name", flat=True)) == ["0"]
    rest = Job.objects.filter(state="queued")
    assert {(job.attempt, job.failures, job.started_at) for job in rest} == {(0, 0, None)}
    assert {"payments" in job.wait_reason for job in rest} == {True}


def test_claims_follow_the_ramp(make_job, answer, breaker):
    """As many as have a place; a free kind doesn't ask."""
    breaker(state="closed", closed_at=moment())
    jobs = [make_job("test.guarded", {"name": str(number)}) for number in range(30)]
    free = make_job("test.note", {"name": "free"})
    before = moment()
    for job in jobs:
        answer(job)
    answer(free)
    gone = Job.objects.filter(kind="test.guarded", state="succeeded").count()
    seconds = (moment() - before).total_seconds()
    assert 1 <= gone <= STEADY["ramp"] * seconds + STEADY["ramp"] * 0.1 + 1
    assert Job.objects.get(id=free.id).state == "succeeded"


def test_a_claim_costs_no_more_while_circuits_are_plainly_closed(make_job, answer, breaker):
    """Claim and settle; one or two more during a ramp."""
    breaker(state="closed", closed_at=moment(-3600))
    with CaptureQueriesContext(
        connection,
    ) as plain:
        answer(make_job("test.guarded", {"name": "a"}))
    breaker(closed_at=moment())
    with CaptureQueriesContext(connection) as ramp:
        answer(make_job("test.guarded", {"name": "b"}))
    assert Effect.objects.count() == 2
    assert len(ramp) - len(plain) == 2


def test_a_forced_circuit_lets_every_job_go(make_job, answer, breaker):
    """Whatever the circuit itself would say."""
    breaker(state="half_open", forced="closed")
    for number in range(3):
        answer(make_job("test.guarded", {"name": str(number)}))
    assert Effect.objects.count() == 3


def test_a_job_without_a_place_does_not_count_as_performed(breaker):
    """The test tool says why."""
    breaker(state="half_open", probe_token="another", probe_until=moment(30))
    with pytest.raises(AssertionError, match="payments is half-open"):
        perform_job("test.guarded", name="a")


# -- the dispatcher ------------------------------------------------------------------------


def test_one_job_is_rung_as_the_probe_and_others_pass(breaker):
    """The oldest; the next one a second later where the first brought no verdict."""
    harness, worker = Harness(), hire(slots=4)
    breaker(state="open", open_until=moment(-1))
    guarded = queued("test.guarded", many=3)
    free = queued(many=2)
    assert harness.rung_ids(rounds=5) == [guarded[0], *free]
    start([guarded[0], *free], worker)
    assert harness.rung_ids(rounds=5) == []
    breaker(probe_token="a", probe_until=moment(30))
    assert harness.rung_ids(rounds=2, after=PROBE_TURN * 2) == []
    breaker(probe_token="", probe_until=None)
    assert harness.rung_ids(rounds=2, after=PROBE_TURN * 0.6) == [guarded[1]]


def test_one_probe_goes_though_two_dispatchers_hold_different_queues(breaker, answer):
    """Each may ring one; one of them starts."""
    here, there = Harness(queues=["default"]), Harness(queues=["payments"])
    hire(queues=["default", "payments"], slots=4)
    breaker(state="open", open_until=moment(-1))
    queued("test.guarded", many=3, args={"name": "here"})
    queued("test.guarded", many=3, args={"name": "there"}, queue="payments")
    rung = here.rung_ids(rounds=3) + there.rung_ids(rounds=3)
    assert len(rung) == 2
    for job in Job.objects.filter(id__in=rung):
        answer(job)
    assert Effect.objects.count() == 1
    assert Job.objects.filter(state="queued", attempt=0).count() == 5


def test_jobs_leave_in_order_at_the_ramp(breaker):
    """Oldest first, as many as its places; the rest of the queue is not held up."""
    harness, _ = Harness(), hire(slots=4)
    breaker(state="open", open_until=moment(60))
    fill("test.guarded", 100)
    in_order = list(Job.objects.order_by("run_at").values_list("id", flat=True))
    (free,) = queued()
    assert harness.rung_ids(rounds=3) == [free]
    breaker(state="closed", open_until=None, closed_at=moment())
    rung = harness.rung_ids(rounds=40, after=0.05)
    assert rung == in_order[: len(rung)]
    assert 30 <= len(rung) <= 40  # two seconds at twenty a second, a tenth apart


def test_jobs_rung_before_the_circuit_opened_keep_their_place(breaker):
    """Workers refused them meanwhile, so their doorbells count for nothing."""
    harness, _ = Harness(), hire(slots=4)
    guarded = queued("test.guarded", many=3)
    assert harness.rung_ids() == guarded
    breaker(state="open", open_until=moment(60))
    assert harness.rung_ids(rounds=2) == []
    breaker(state="closed", open_until=None, closed_at=moment())
    assert harness.rung_ids(rounds=6) == guarded


def test_a_job_that_was_turned_away_is_rung_again_first(breaker, make_job, answer):
    """Its nudge brings it before those behind it."""
    harness, _ = Harness(), hire(slots=4)
    breaker(state="closed", closed_at=moment())
    guarded = queued("test.guarded", many=3)
    (first,) = harness.rung_ids(rounds=1)
    assert first == guarded[0]
    breaker(ramp_next=moment(60))
    answer(Job.objects.get(id=first))
    assert Job.objects.get(id=first).state == "queued"
    assert harness.rung_ids(Nudge(ids={first}), after=0.06) == [first]
    assert harness.rung_ids(rounds=2, after=0.06) == guarded[1:]


def test_a_plainly_closed_circuit_costs_the_dispatcher_no_query(breaker):
    """It hears of the others with the queues."""
    harness = Harness()
    breaker(state="closed", closed_at=moment(-3600))
    harness.run_round()
    with CaptureQueriesContext(connection) as plain:
        harness.run_round()
    breaker(closed_at=moment())
    with CaptureQueriesContext(connection) as ramp:
        harness.run_round()
    assert len(ramp) - len(plain) == 1


def test_parked_jobs_go_when_an_operator_clears_the_circuit(circuits, make_job, answer):  # noqa: F811 the fixture above
    """They kept their run_at, so nothing else holds them: not what the circuit had said."""
    harness, _ = Harness(), hire(slots=4)
    force_open("payments", reason="maintenance", actor="ada")
    guarded = queued("test.guarded", many=30, args={"name": "a"})
    assert harness.rung_ids(rounds=2) == []
    assert answer(Job.objects.get(id=guarded[0])) == []
    clear("payments", actor="ada")
    assert harness.rung_ids(rounds=8)[:3] == guarded[:3]  # at the ramp
    answer(Job.objects.get(id=guarded[0]))
    assert Job.objects.get(id=guarded[0]).state == "succeeded"
    testing.reset_breakers()


def test_a_cooldown_that_an_operator_clears_lets_the_probe_go(circuits, make_job, answer):  # noqa: F811 the fixture above
    """At once."""
    harness, _ = Harness(), hire(slots=4)
    get_breaker("payments").open()
    testing.wait_until_written()
    guarded = queued("test.guarded", many=3, args={"name": "a"})
    assert harness.rung_ids(rounds=2) == []
    clear("payments", actor="ada")
    testing.wait_until_written()
    assert harness.rung_ids() == guarded[:1]
    testing.reset_breakers()


# -- what people see -----------------------------------------------------------------------


def test_a_queue_says_which_circuits_hold_its_jobs_and_until_when(breaker):
    """And how many they are."""
    until = moment(60)
    breaker(state="open", open_until=until)
    queued("test.guarded", many=3)
    queued()
    depth = next(depth for depth in queue_depths() if depth.queue == "default")
    assert (depth.parked, depth.queued) == (3, 1)
    (hold,) = depth.circuits
    assert (hold.name, hold.jobs, hold.until) == ("payments", 3, until)


def test_a_job_in_a_ramp_says_so(breaker):
    """With the rate."""
    breaker(state="closed", closed_at=moment())
    (job_id,) = queued("test.guarded")
    codes = {wait.code: wait for wait in waiting_reasons(Job.objects.get(id=job_id))}
    assert codes["ramp"].by == "payments"
    assert "20 jobs a second" in codes["ramp"].sentence
