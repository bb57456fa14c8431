"""A doorbell answered in this process: claim, run, settle."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from celeriac.core import clock
from celeriac.jobs.models import Attempt, Job, Queue
from celeriac.jobs.outcomes import Settlement
from celeriac.jobs.running import execute, turns, worker_context as claiming
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.execute import capabilities
from celeriac.jobs.running.finish import settle_surely
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.states import Verb
from tests.app.models import Effect
from tests.support.runs import ended, settle_one
from tests.support.slots import traces
from tests.support.threads import held_open, threads, wait_until

pytestmark = pytest.mark.django_db

FAILED = Settlement(
    Verb.RETRY, failures=1, writes_attempt=True, error_class="ValueError", message="x"
)


def effects():
    """Return the names of all effects, in order."""
    return list(Effect.objects.order_by("id").values_list("name", flat=True))


def test_a_job_runs_and_succeeds(make_job, answer):
    """The row tells all of it; no Attempt row is written for a simple success."""
    job = make_job("test.note", {"name": "a"})
    answer(job)
    job.refresh_from_db()
    assert (job.state, job.attempt, job.failures, job.result) == ("succeeded", 1, 0, "a")
    assert job.claim_id is None
    assert job.started_at <= job.finished_at
    assert effects() == ["a"]
    assert not Attempt.objects.exists()


def test_a_doorbell_of_many_runs_each_once(make_job, answer):
    """Twenty ids, twenty effects, and a doubled doorbell adds none."""
    jobs = [make_job("test.note", {"name": str(number)}) for number in range(20)]
    answer(*jobs)
    answer(*jobs)
    assert sorted(effects(), key=int) == [str(number) for number in range(20)]
    assert Job.objects.filter(state="succeeded", attempt=1).count() == 20


def test_a_failure_is_counted_and_retried_later(make_job, answer):
    """A failed run goes back with a run_at ahead, its error and an Attempt row."""
    job = make_job("test.fail", {"message": "out of luck"})
    answer(job)
    job.refresh_from_db()
    assert (job.state, job.attempt, job.failures, job.losses) == ("queued", 1, 1, 0)
    assert job.error == "ValueError: out of luck"
    (attempt,) = job.attempts.all()
    assert (attempt.number, attempt.outcome, attempt.error_class) == (1, "failed", "ValueError")
    assert "out of luck" in attempt.traceback


def test_the_last_failure_ends_dead(make_job, answer):
    """Failures at max_attempts."""
    job = make_job("test.fail", max_attempts=2)
    answer(job)
    Job.objects.update(run_at=clock.Now())
    answer(job)
    job.refresh_from_db()
    assert (job.state, job.attempt, job.failures) == ("dead", 2, 2)
    assert job.finished_at is not None
    assert [attempt.outcome for attempt in job.attempts.all()] == ["failed", "dead"]


def test_giving_up_ends_dead_at_once(make_job, answer):
    """GiveUp needs no further runs."""
    job = make_job("test.give_up")
    answer(job)
    job.refresh_from_db()
    assert (job.state, job.failures) == ("dead", 1)
    assert "no such customer" in job.error


def test_a_snooze_counts_nothing_and_says_why(make_job, answer):
    """A snoozed job waits with a reason; no Attempt row is written."""
    job = make_job("test.snooze", {"seconds": 90})
    answer(job)
    job.refresh_from_db()
    assert (job.state, job.attempt, job.failures) == ("queued", 1, 0)
    assert job.wait_reason == "not yet"
    assert job.run_at > clock.db_now() + timedelta(seconds=80)
    assert not Attempt.objects.exists()
    Job.objects.update(run_at=clock.Now())
    answer(job)
    job.refresh_from_db()
    assert (job.state, job.wait_reason) == ("succeeded", "")
    assert [attempt.number for attempt in job.attempts.all()] == [2]


def test_a_job_not_yet_due_is_not_claimed(make_job, answer):
    """An early doorbell claims nothing."""
    job = make_job("test.noop", run_at=clock.db_now() + timedelta(hours=1))
    assert answer(job) == []
    with clock.offset_clock(timedelta(hours=2)):
        assert len(answer(job)) == 1


def test_a_paused_queue_is_not_claimed_from(make_job, answer):
    """The doorbell may be in the broker already."""
    Queue.objects.update_or_create(name="default", defaults={"paused_at": clock.Now()})
    job = make_job("test.noop")
    assert answer(job) == []
    Queue.objects.filter(name="default").update(paused_until=clock.db_now() - timedelta(seconds=1))
    assert len(answer(job)) == 1


def test_an_expired_job_is_not_started_but_a_retry_is(make_job, answer):
    """expires_at binds the first start only."""
    past = clock.db_now() - timedelta(minutes=1)
    assert answer(make_job("test.noop", expires_at=past)) == []
    assert len(answer(make_job("test.noop", expires_at=past, attempt=1))) == 1


def test_an_unknown_kind_stays_queued(answer):
    """A worker that does not know the kind leaves the job alone."""
    job = Job.objects.create(kind="test.from_the_future")
    assert answer(job) == []
    job.refresh_from_db()
    assert job.state == "queued"


def test_a_stale_claim_can_not_settle(make_job, worker_context):
    """The fence: a settle with an old claim_id matches no row."""
    job = make_job("test.noop")
    old = uuid4()
    claim_jobs(
        [job.id], claim_id=old, worker=worker_context.worker, known=worker_context.capabilities
    )
    Job.objects.update(claim_id=uuid4())
    assert settle_one(job.id, old, Settlement(Verb.COMPLETE)).is_refused
    job.refresh_from_db()
    assert job.state == "running"


def test_a_cancel_asked_for_overtakes_a_failure_and_a_snooze(make_job, worker_context):
    """Every edge from running but success becomes cancelled, in the same statement."""
    for kind in ("test.fail", "test.snooze", "test.give_up"):
        job = make_job(kind)
        Job.objects.filter(pk=job.pk).update(cancel_requested_at=None)
        claim_id = uuid4()
        claim_jobs(
            [job.id],
            claim_id=claim_id,
            worker=worker_context.worker,
            known=worker_context.capabilities,
        )
        Job.objects.filter(pk=job.pk).update(cancel_requested_at=clock.Now())
        run = settle_one(job.id, claim_id, FAILED)
        assert run.settled.state == "cancelled"


def test_a_transactional_handler_commits_with_its_completion(make_job, answer):
    """Effect and completion are one."""
    job = make_job("test.note_once", {"name": "once"})
    (run,) = answer(job)
    assert run.settled.state == "succeeded"
    assert effects() == ["once"]


def test_a_transactional_handler_without_its_claim_leaves_no_effect(make_job, answer, monkeypatch):
    """The settle inside the transaction is refused, so everything rolls back."""
    job = make_job("test.note_once", {"name": "once"})
    original = claiming.claim_jobs

    def claim_and_lose(ids, **options):
        jobs = original(ids, **options)
        Job.objects.filter(pk__in=ids).update(claim_id=uuid4())
        return jobs

    monkeypatch.setattr(claiming, "claim_jobs", claim_and_lose)
    (run,) = answer(job)
    assert run.is_refused
    assert effects() == []


def test_a_soft_limit_stops_the_handler(make_job, answer):
    """The handler fails alone; its neighbours run."""
    slow, quick = make_job("test.short", {"seconds": 20}), make_job("test.noop")
    answer(slow, quick)
    slow.refresh_from_db()
    quick.refresh_from_db()
    assert slow.failures == 1
    assert "soft limit of 0.2 s" in slow.error
    assert quick.state == "succeeded"


def test_what_a_doorbells_time_does_not_reach_is_released(make_job, answer, settings):
    """Released: back as if never claimed."""
    settings.CELERIAC = {**settings.CELERIAC, "DOORBELL_BUDGET_SECONDS": 0.1}
    jobs = [make_job("test.sleep", {"seconds": 0.15}) for _ in range(3)]
    answer(*jobs)
    states = list(Job.objects.order_by("id").values_list("state", "attempt", "failures"))
    assert states == [("succeeded", 1, 0), ("queued", 0, 0), ("queued", 0, 0)]
    assert not Attempt.objects.exists()
    assert not Job.objects.filter(state="queued", started_at__isnull=False).exists()


def test_a_stalled_process_does_not_run_what_it_lost(make_job, answer, monkeypatch):
    """The claim is verified again before a handler when it was not for a while."""
    first, second = make_job("test.note", {"name": "1"}), make_job("test.note", {"name": "2"})
    monkeypatch.setattr(turns, "VERIFY_AFTER", -1.0)
    original = turns.owned_jobs

    def lose_the_second(ids, **options):
        Job.objects.filter(pk=second.id).update(claim_id=uuid4())
        return original(ids, **options)

    monkeypatch.setattr(turns, "owned_jobs", lose_the_second)
    answer(first, second)
    assert effects() == ["1"]


def test_progress_is_written_and_the_result_of_a_run_is_json(make_job, answer):
    """What can't be JSON is dropped, for the handler has done its work."""
    report, odd = make_job("test.report"), make_job("test.unjson")
    answer(report, odd)
    report.refresh_from_db()
    odd.refresh_from_db()
    assert report.progress == {"done": 10, "total": 10}
    assert (odd.state, odd.result) == ("succeeded", None)


def test_a_lock_is_held_by_one_running_job(make_job, worker_context):
    """The database refuses the second claim of a lock."""
    first = make_job("test.locked", {"account": "7"}, lock_key="account:7")
    second = make_job("test.locked", {"account": "7"}, lock_key="account:7")
    known = capabilities()
    claimed = claim_jobs([first.id], claim_id=uuid4(), worker=worker_context.worker, known=known)
    assert [job.id for job in claimed] == [first.id]
    assert (
        claim_jobs([second.id], claim_id=uuid4(), worker=worker_context.worker, known=known) == []
    )
    second.refresh_from_db()
    assert second.state == "queued"


def test_a_doorbell_that_holds_two_jobs_of_one_lock_runs_one(make_job, answer):
    """The dispatcher never rings so; a claim survives it all the same."""
    jobs = [
        make_job("test.locked", {"account": "7", "seconds": 0}, lock_key="account:7")
        for _ in range(2)
    ]
    answer(*jobs)
    states = sorted(Job.objects.values_list("state", flat=True))
    assert states == ["queued", "succeeded"]


def test_a_retry_whose_key_was_queued_anew_is_superseded(make_job, answer):
    """The newer job does the work; the older says which."""
    old = make_job("test.fail", unique_key="k")
    answer_failed = execute.perform_run

    def enqueue_anew(run):
        make_job("test.fail", unique_key="k")
        return answer_failed(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "perform_run", enqueue_anew)
        answer(old)
    old.refresh_from_db()
    new = Job.objects.exclude(pk=old.pk).get()
    assert (old.state, old.superseded_by) == ("cancelled", new.id)
    assert [attempt.outcome for attempt in old.attempts.all()] == ["superseded"]


def test_two_retries_of_one_unique_key_in_one_settle(make_job, answer):
    """One goes back to queued, the other is superseded by it; neither is stuck."""
    first = make_job("test.fail", unique_key="k")
    original = execute.perform_run
    made = []

    def enqueue_second(run):
        return original(run)

    Job.objects.filter(pk=first.pk).update(unique_key=None)
    second = make_job("test.fail", unique_key=None)
    made += [first, second]

    def claim_then_key(ids, **options):
        jobs = original_claim(ids, **options)
        Job.objects.filter(pk__in=ids).update(unique_key="k")
        return jobs

    original_claim = claiming.claim_jobs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "perform_run", enqueue_second)
        patch.setattr(claiming, "claim_jobs", claim_then_key)
        answer(*made)
    assert sorted(Job.objects.values_list("state", flat=True)) == ["cancelled", "queued"]


def test_a_death_enqueues_the_kinds_hook(make_job, answer):
    """on_dead is a job, written with the death."""
    job = make_job("test.mourned")
    answer(job)
    hook = Job.objects.get(kind="test.mourn")
    assert hook.args["job_id"] == str(job.id)
    answer(hook)
    assert Effect.objects.get().name == f"mourned:{job.id}"


def test_children_are_keyed_by_job_and_step(make_job, answer):
    """A second run adds no second child."""
    job = make_job("test.parent", {"name": "child"})
    answer(job)
    Job.objects.filter(pk=job.pk).update(run_at=clock.Now())
    answer(job)
    assert Job.objects.filter(kind="test.note").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_claim_skips_a_row_that_another_transaction_holds(make_job, answer):
    """A unique hit's lock keeps the job from starting before its caller commits."""
    job = make_job("test.noop")
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM"
                    " (SELECT FROM celeriac_jobs_job FOR UPDATE SKIP LOCKED) held"
                )
                assert cursor.fetchone()[0] == 0
        finally:
            other.close()
    assert len(answer(job)) == 1


def test_a_job_with_a_loss_is_claimed_by_a_doorbell_of_its_own_only(make_job, answer):
    """However old the doorbell is: it takes no neighbour down twice."""
    poison, neighbour = make_job("test.noop", losses=1), make_job("test.noop")
    assert [run.job.id for run in answer(poison, neighbour)] == [neighbour.id]
    assert [run.job.id for run in answer(poison)] == [poison.id]


def test_a_superseding_job_loses_its_deadline(make_job, worker_context):
    """The superseded run had started, so the work may not expire with its successor."""
    soon = clock.db_now() + timedelta(minutes=1)
    old = make_job("test.fail", unique_key="k")
    claim_id = uuid4()
    claim_jobs(
        [old.id], claim_id=claim_id, worker=worker_context.worker, known=worker_context.capabilities
    )
    successor = make_job("test.fail", unique_key="k", expires_at=soon)
    settle_one(old.id, claim_id, FAILED)
    successor.refresh_from_db()
    assert successor.expires_at is None


@pytest.mark.django_db(transaction=True)
def test_a_key_held_by_a_caller_delays_one_ending_and_not_its_neighbours(make_job, monkeypatch):
    """The wait for a caller's transaction is bounded; each ending is then tried alone."""
    monkeypatch.setattr("celeriac.jobs.running.settle.LOCK_TIMEOUT", "100ms")
    held, free = make_job("test.fail", unique_key="k"), make_job("test.fail")
    done = make_job("test.noop")
    claim_id = uuid4()
    claim_jobs([held.id, free.id, done.id], claim_id=claim_id, worker=uuid4(), known=capabilities())
    runs = [ended(job.id, claim_id, FAILED) for job in (held, free)]
    runs.append(ended(done.id, claim_id, Settlement(Verb.COMPLETE)))
    enqueue_anew = held_open(lambda: make_job("test.fail", unique_key="k"))
    with enqueue_anew as (_, commit), threads(1) as start:
        settling = start(settle_surely, runs)
        wait_until(lambda: Job.objects.get(pk=free.pk).state == "queued")
        assert Job.objects.get(pk=held.pk).state == "running"
        commit()
        settling.result(20)
    assert [run.settled.state for run in runs] == ["cancelled", "queued", "succeeded"]


@pytest.mark.django_db(transaction=True)
def test_progress_leaves_a_transactional_handlers_commit_synchronous(make_job, answer, monkeypatch):
    """And its end wakes who waits for its lock."""
    freed = []
    monkeypatch.setattr("celeriac.jobs.nudge.nudge_locks", lambda *, locks: freed.extend(locks))
    job = make_job("test.report_once", lock_key="report")
    answer(job)
    job.refresh_from_db()
    assert (job.result, job.progress) == ("on", {"done": 1, "total": 1})
    assert freed == ["report"]


def test_a_doorbell_that_breaks_leaves_no_slot_open(
    make_job, worker_context, tmp_path, monkeypatch
):
    """Or its parent would go on vouching for the claim."""
    worker_context.journal = FileJournal(tmp_path)
    monkeypatch.setattr(turns, "in_turn", lambda *_: {}["gone"])
    with pytest.raises(KeyError):
        execute.answer_doorbell([make_job("test.noop").id], context=worker_context)
    (trace,) = traces(tmp_path)
    worker_context.journal.abandon()
    assert trace.claim_id is None
