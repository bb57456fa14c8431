"""Admission: what is rung, what waits and why, and what is rung again."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from celeriac.breakers.models import Breaker
from celeriac.jobs.dispatching.pending_doorbells import RingFailed
from celeriac.jobs.models import Job, Queue, Worker
from celeriac.jobs.nudge_message import Nudge
from tests.integration.jobs.dispatching import (
    FAST,
    KINDS,
    Harness,
    fill,
    hire,
    queued,
    sizes,
    start,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def harness():
    """Return a dispatcher that holds every queue."""
    return Harness()


def later(seconds):
    """Return a moment from now."""
    return timezone.now() + timedelta(seconds=seconds)


def nudge(queue="default", priority=0, run_at=0.0, **facts):
    """Return news of one queue."""
    heard = Nudge(**facts)
    heard.add(queue, priority, run_at)
    return heard


def test_a_due_job_is_rung_once(harness):
    """On its own queue, under its kind's name; and no write says so."""
    hire(queues=["payments"])
    (job_id,) = queued(queue="payments")
    (doorbell,) = harness.run_round(rounds=3)
    assert (doorbell.kind, doorbell.queue, doorbell.ids) == ("test.noop", "payments", (job_id,))
    assert Job.objects.get().state == "queued"


def test_nothing_is_rung_for_a_queue_without_a_living_worker(harness):
    """None, a stopped one, a silent one, one of another queue."""
    queued()
    hire(queues=["payments"])
    hire(stopped_at=timezone.now())
    silent = hire()
    Worker.objects.filter(id=silent).update(beat_at=later(-30))
    assert harness.run_round(rounds=3) == []
    hire()
    assert len(harness.run_round(Nudge(workers=True))) == 1


def test_a_kind_that_no_living_worker_knows_waits_for_one_that_does(harness):
    """And does not hold up what stands behind it."""
    hire(kinds=["test.noop"])
    (unknown,) = queued("test.note")
    (known,) = queued("test.noop")
    assert harness.rung_ids(rounds=3) == [known]
    hire(kinds=["test.note"])
    assert harness.rung_ids() == [unknown]


def test_a_renamed_kind_is_rung_by_the_name_that_workers_know(harness):
    """The new one, or the row's while only older workers live."""
    old = hire(kinds=["test.old_name"])
    queued("test.old_name")
    assert [doorbell.kind for doorbell in harness.run_round()] == ["test.old_name"]
    Worker.objects.filter(id=old).delete()
    hire(kinds=["test.renamed", "test.old_name"])
    queued("test.old_name")
    assert [doorbell.kind for doorbell in harness.run_round()] == ["test.renamed"]


def test_a_job_of_the_future_waits_for_its_time(harness):
    """A nudge names the time, and the wait is no longer than that."""
    hire()
    moment = later(60)
    queued(run_at=moment)
    assert harness.run_round(nudge(run_at=moment.timestamp())) == []
    assert harness.dispatcher.seconds_to_next_round() == 1.0
    soon = later(0.3)
    (job_id,) = queued(run_at=soon)
    assert harness.run_round(nudge(run_at=soon.timestamp())) == []
    assert harness.dispatcher.seconds_to_next_round() < 0.31
    Job.objects.filter(id=job_id).update(run_at=later(0))
    assert harness.rung_ids() == [job_id]


def test_a_paused_queue_is_not_rung_until_it_is_resumed_or_its_pause_ends(harness):
    """Jobs of before and during the pause are rung then."""
    hire(slots=1)
    before = queued(many=3)
    harness.run_round()
    Queue.objects.filter(name="default").update(paused_at=timezone.now())
    during = queued(many=2)
    assert harness.run_round(rounds=3) == []
    Queue.objects.filter(name="default").update(paused_until=later(-1))
    assert set(harness.rung_ids()) == {*before, *during}


def test_jobs_behind_an_open_circuit_wait_until_it_closes(harness):
    """Others pass them."""
    hire()
    facts = {"state": "open", "open_until": later(60)}
    breaker, _ = Breaker.objects.update_or_create(name="payments", defaults=facts)
    (guarded,) = queued("test.guarded")
    (free,) = queued()
    assert harness.rung_ids(rounds=3) == [free]
    Breaker.objects.filter(pk=breaker.pk).update(open_until=later(-1))
    assert harness.rung_ids() == [guarded]


def test_jobs_with_one_lock_are_rung_one_at_a_time(harness):
    """The next one when the holder's settle says that the lock is free."""
    worker = hire()
    first, second, third = queued("test.locked", many=3, lock_key="a")
    assert harness.rung_ids(rounds=3) == [first]
    start([first], worker)
    assert harness.rung_ids(rounds=3) == []
    Job.objects.filter(id=first).update(
        state="succeeded", claim_id=None, finished_at=timezone.now()
    )
    assert harness.rung_ids(Nudge(locks={"a"})) == [second]
    Job.objects.filter(id=second).update(state="succeeded", finished_at=timezone.now())
    assert harness.rung_ids(rounds=3) == []
    harness.sweep()
    assert harness.rung_ids() == [third]


def test_an_expired_job_is_not_rung_unless_it_ran_before(harness):
    """The deadline binds the first start only."""
    hire()
    queued(expires_at=later(-1))
    (again,) = queued(expires_at=later(-1), attempt=1)
    (fresh,) = queued(expires_at=later(60))
    assert harness.rung_ids(rounds=2) == [again, fresh]


def test_higher_priorities_go_first_and_older_jobs_before_younger(harness):
    """From the highest down."""
    hire()
    low = queued(many=2, priority=-5)
    high = queued(many=2, priority=10)
    normal = queued(many=2)
    assert harness.rung_ids() == [*high, *normal, *low]


def test_the_window_keeps_a_little_work_in_the_broker_and_an_urgent_job_overtakes(harness):
    """1.5 s for each of two slots, at 10 ms: 300 of 1,000."""
    worker = hire(run_times=dict.fromkeys(KINDS, 0.01))
    queued(many=1000)
    harness.run_round()  # learns of the queue
    ids = harness.publisher.doorbells[0].ids
    assert sum(len(doorbell.ids) for doorbell in harness.publisher.doorbells) == pytest.approx(
        300, abs=8
    )
    assert sizes(harness.publisher.doorbells).most_common(1)[0][0] == 7
    assert (
        0 < harness.dispatcher.seconds_to_next_round() < 0.1
    )  # it rests, or it would take the workers' processor
    (urgent,) = queued(priority=50)
    for doorbell in harness.publisher.doorbells[:20]:
        start(doorbell.ids, worker)
    later_ids = harness.rung_ids(nudge(priority=50))
    assert later_ids[0] == urgent
    assert len(later_ids) == pytest.approx(140, abs=20)
    assert not set(ids) & set(later_ids)


def test_long_kinds_get_free_slots_only(harness):
    """Two slots, one of them busy."""
    worker = hire(slots=2, run_times={"test.sleep": 30.0})
    start(queued("test.sleep"), worker)
    first, second, *_ = queued("test.sleep", many=10)
    assert harness.rung_ids(rounds=3) == [first]
    start([first], worker)
    assert harness.rung_ids(rounds=3) == []
    Job.objects.filter(id=first).update(
        state="succeeded", claim_id=None, finished_at=timezone.now()
    )
    assert harness.rung_ids(rounds=3) == [second]


def test_a_kind_that_nobody_timed_is_timed_by_the_ledger(harness):
    """Its last runs, until a worker says better."""
    worker = hire(run_times={})
    queued(many=40)
    assert sizes(harness.run_round()) == {1: 4}
    for doorbell in harness.publisher.doorbells:
        start(doorbell.ids, worker)
    start_at = timezone.now()
    Job.objects.bulk_create(
        Job(
            kind="test.noop",
            state="succeeded",
            started_at=start_at,
            finished_at=start_at + timedelta(seconds=0.005),
        )
        for _ in range(5)
    )
    assert max(sizes(harness.run_round())) == 15


def test_some_jobs_ring_alone(harness):
    """Those with a lock, a breaker or a loss; the rest share."""
    hire(slots=1)
    alone = [
        *queued("test.guarded", many=2),
        *queued("test.locked", lock_key="a"),
        *queued("test.noop", losses=1),
    ]
    shared = queued(many=10)
    doorbells = harness.run_round()
    assert {doorbell.ids for doorbell in doorbells} == {(job_id,) for job_id in alone} | {
        tuple(shared)
    }


def test_a_few_jobs_are_spread_over_the_slots(harness):
    """Ten on four slots: nobody waits behind two others for long."""
    hire(slots=4)
    queued(many=10)
    assert sizes(harness.run_round()) == {3: 3, 1: 1}


def test_an_unanswered_bell_is_rung_again_after_five_seconds_then_ten(harness):
    """Not earlier, and not when it was answered meanwhile."""
    worker = hire()
    (job_id,) = queued()
    assert harness.rung_ids() == [job_id]
    assert harness.rung_ids(rounds=48, after=0.1) == []
    assert harness.rung_ids(rounds=4, after=0.1) == [job_id]
    assert harness.rung_ids(rounds=95, after=0.1) == []
    assert harness.rung_ids(rounds=10, after=0.1) == [job_id]
    start([job_id], worker)
    assert harness.rung_ids(rounds=30, after=1) == []


def test_a_job_that_came_back_is_rung_at_once(harness):
    """Claimed and released between two looks: its version tells."""
    worker = hire()
    (job_id,) = queued()
    harness.run_round()
    start([job_id], worker)
    Job.objects.filter(id=job_id).update(state="queued", claim_id=None)
    assert harness.rung_ids(Nudge(ids={job_id})) == [job_id]


def test_a_unique_hit_is_rung_again_when_its_transaction_commits(harness):
    """The worker skipped the locked row."""
    hire()
    (job_id,) = queued()
    assert harness.rung_ids() == [job_id]
    assert harness.rung_ids(nudge(ids={job_id})) == [job_id]


def test_a_nudge_for_ids_that_are_gone_or_elsewhere_rings_nothing(harness):
    """Other dispatchers hear it too."""
    hire()
    queued(queue="notifications")
    assert harness.run_round(Nudge(ids={uuid4()}, locks={"nobody"})) == []
    assert harness.run_round(nudge(queue="unheard-of")) == []


def test_a_job_committed_late_is_found_by_its_nudge_or_by_the_sweep(harness):
    """Its run_at lies behind the cursor."""
    hire()
    harness.rung_ids()
    queued()
    harness.run_round(nudge())
    moment = later(-30)
    (nudged,) = queued(run_at=moment)
    assert harness.rung_ids() == []
    assert harness.rung_ids(nudge(run_at=moment.timestamp())) == [nudged]
    (missed,) = queued(run_at=later(-60))
    assert harness.rung_ids() == []
    harness.sweep()
    assert harness.rung_ids() == [missed]


def test_a_priority_without_a_nudge_is_found_by_the_skip_scan(harness):
    """Nobody said that priority 7 has jobs."""
    hire()
    harness.run_round()
    (job_id,) = queued(priority=7)
    assert harness.rung_ids() == []
    harness.dispatcher.find_levels(harness.dispatcher.cursors)
    assert harness.rung_ids() == [job_id]


def test_thousands_of_parked_jobs_in_front_are_walked_once(harness):
    """The cursor stands behind them: later rounds don't see them."""
    hire(kinds=["test.noop"])
    fill("test.note", 20_000)
    (job_id,) = queued()
    assert harness.rung_ids(rounds=3, after=1.0) == [job_id]
    walked = next(iter(harness.dispatcher.cursors["default"].positions.values()))
    assert walked[1] == job_id
    with CaptureQueriesContext(
        connection,
    ) as queries:
        harness.dispatcher.run_round(Nudge())
    assert len(queries) <= 3


def test_what_could_not_be_sent_was_not_rung(harness):
    """Everything is read again when the broker is back."""
    hire()
    ids = queued(many=5)
    harness.publisher.failure = RingFailed("no broker", uncertain=False)
    assert harness.run_round(rounds=3) == []
    assert len(harness.dispatcher.doorbells) == 0
    assert 0 < harness.dispatcher.seconds_to_next_round() <= 1.0
    harness.publisher.failure = ConnectionError("any error of a publisher")
    assert harness.run_round(rounds=3, after=1.1) == []
    harness.publisher.failure = None
    assert sorted(harness.rung_ids(after=1.1)) == sorted(ids)


def test_what_may_have_been_sent_is_rung_again_soon(harness):
    """Uncertain delivery counts as rung, for two seconds, though others were just answered."""
    worker = hire()
    before = queued()
    assert harness.rung_ids() == before
    start(before, worker)
    ids = queued(many=5)
    harness.publisher.failure = RingFailed("lost it in the middle", uncertain=True)
    harness.run_round()
    assert len(harness.dispatcher.doorbells) == 5
    harness.publisher.failure = None
    assert harness.rung_ids(after=1.5) == []
    assert sorted(harness.rung_ids(after=1.0)) == sorted(ids)


def test_dispatchers_share_the_queues_and_give_them_up_when_they_end(harness):
    """A newcomer takes its share; nobody rings for a queue that it does not hold."""
    hire(queues=["default", "payments", "notifications", "maintenance"])
    other = Harness()
    held = Queue.objects.filter(holder=other.dispatcher.id).values_list("name", flat=True)
    assert len(held) == 2
    jobs = {name: queued(queue=name)[0] for name in ("default", "payments", "notifications")}
    pending = {doorbell.queue for doorbell in other.run_round()}
    assert pending == set(held) & set(jobs)
    assert {doorbell.queue for doorbell in harness.run_round()} == set(jobs) - pending
    other.dispatcher.leases.release()
    harness.dispatcher.leases.renew()
    harness.dispatcher.leases.renew()
    assert not Queue.objects.exclude(holder=harness.dispatcher.id).exists()


def test_a_lapsed_lease_is_taken_over(harness):
    """By the database's clock."""
    other = Harness(queues=["default"])
    assert Queue.objects.get(name="default").holder == harness.dispatcher.id
    Queue.objects.update(lease_until=later(-1))
    other.dispatcher.leases.renew()
    assert Queue.objects.get(name="default").holder == other.dispatcher.id
    harness.run_round()
    assert "default" not in harness.dispatcher.cursors


def test_estimates_are_the_mean_of_the_living_workers(harness):
    """One says 1 ms, one 3 ms."""
    hire()
    hire(run_times={"test.noop": 0.003})
    harness.run_round()
    assert harness.dispatcher.workers.estimate("test.noop") == pytest.approx(0.002)
    assert FAST["test.noop"] == 0.001


def test_doorbells_of_one_id_count_for_what_they_cost_themselves(harness):
    """Or many times what the window allows would wait in the broker, and ring again there."""
    hire(run_times={"test.guarded": 0.0})
    Queue.objects.filter(name="default").update(window=1.0)
    fill("test.guarded", 3_000)
    harness.run_round(rounds=4)
    assert 900 <= harness.dispatcher.doorbells.count(["default"]) <= 1_000


def test_a_round_at_rest_asks_little(harness):
    """The queues' rows, and one scan for each priority that has jobs."""
    hire()
    queued(many=3)
    harness.run_round(rounds=2)
    with CaptureQueriesContext(connection) as queries:
        harness.dispatcher.run_round(Nudge())
    assert len(queries) <= 3
