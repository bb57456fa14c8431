"""The tools that users test with."""

from uuid import uuid4

import pytest

from celeriac import GiveUp, InvalidArgs, Snooze, UnknownKind, enqueue, pause_queue
from celeriac.jobs.models import Job
from celeriac.testing import assert_enqueued, assert_not_enqueued, drain, perform_job
from tests.app.models import Effect
from tests.factories import JobFactory


@pytest.fixture(params=["db", "transactional_db"])
def any_db(request):
    """Run the test in a transaction that never commits, and without one."""
    return request.getfixturevalue(request.param)


def names():
    """Return the effects' names in order."""
    return list(Effect.objects.order_by("id").values_list("name", flat=True))


def test_assert_enqueued_finds_a_job_by_some_of_its_arguments(db):
    """Python values are compared as JSON; the newest match is returned."""
    job_id = uuid4()
    enqueue("test.mourn", {"job_id": job_id, "error": "a"})
    job = enqueue("test.mourn", {"job_id": job_id, "error": "b"})
    assert assert_enqueued("test.mourn", job_id=job_id).id == job.id
    assert assert_enqueued("test.mourn").id == job.id
    assert_not_enqueued("test.mourn", error="c")


def test_assert_enqueued_tells_what_there_was_instead(db):
    """By kind, or of the kind."""
    enqueue("test.note", {"name": "a"})
    with pytest.raises(AssertionError, match=r'No test\.note\(name="b"\).*test\.note\(name="a"\)'):
        assert_enqueued("test.note", name="b")
    with pytest.raises(AssertionError, match=r"There were jobs of: test\.note"):
        assert_enqueued("test.noop")
    with pytest.raises(UnknownKind):
        assert_enqueued("test.nope")
    with pytest.raises(AssertionError, match="was enqueued"):
        assert_not_enqueued("test.note")


def test_perform_job_returns_the_result(any_db):
    """The job has run and is settled."""
    assert perform_job("test.note", name="a") == "a"
    assert names() == ["a"]
    assert Job.objects.get().state == "succeeded"
    assert perform_job("test.note_once", name="b") == "b"


def test_perform_job_raises_what_the_handler_raised(any_db):
    """Errors, snoozes and give-ups, each settled before."""
    with pytest.raises(ValueError, match="out of luck"):
        perform_job("test.fail", message="out of luck")
    assert Job.objects.get().failures == 1
    with pytest.raises(GiveUp):
        perform_job("test.give_up")
    with pytest.raises(Snooze):
        perform_job("test.snooze")
    with pytest.raises(InvalidArgs):
        perform_job("test.note", nmae="a")


def test_perform_job_says_why_a_job_may_not_start(db):
    """A paused queue holds it in tests, too."""
    pause_queue("default", reason="tea", actor="ada")
    with pytest.raises(AssertionError, match="queue default is paused by ada: tea"):
        perform_job("test.note", name="a")


def test_drain_runs_what_is_due_and_what_that_enqueues(any_db):
    """By priority; what lies ahead stays."""
    enqueue("test.note", {"name": "low"}, priority=-1)
    enqueue("test.note", {"name": "high"}, priority=9)
    enqueue("test.note", {"name": "later"}, delay=60)
    enqueue("test.mourned", {})
    ran = drain()
    assert names()[:1] == ["high"]
    assert names()[-1] == "low"
    assert {job.kind for job in ran} == {"test.note", "test.mourned", "test.mourn"}
    assert len(ran) == 4
    assert Job.objects.queued().get().args == {"name": "later"}


def test_drain_can_be_told_that_time_does_not_matter(any_db):
    """Retries and snoozes run to their end."""
    enqueue("test.snooze", {"seconds": 600})
    enqueue("test.fail", {}, delay=60)
    drain(with_scheduled=True)
    states = dict(Job.objects.values_list("kind", "state"))
    assert states == {"test.snooze": "succeeded", "test.fail": "dead"}


def test_drain_minds_the_queue_it_was_given(db):
    """The other queue's jobs stay."""
    enqueue("test.note", {"name": "a"}, queue="payments")
    enqueue("test.note", {"name": "b"})
    assert [job.queue for job in drain("payments")] == ["payments"]
    assert names() == ["a"]


def test_drain_leaves_what_is_held_and_runs_the_rest(db):
    """A job behind a lock stays queued."""
    JobFactory(state="running", lock_key="account:1")
    enqueue("test.locked", {"account": "1"}, priority=9)
    enqueue("test.note", {"name": "a"})
    assert [job.kind for job in drain()] == ["test.note"]
    assert Job.objects.queued().get().kind == "test.locked"


def test_drain_gives_up_on_jobs_without_end(db, declare):
    """A kind that enqueues itself is a bug that a test should show."""

    def again():
        enqueue("test.again", {})

    declare(again, "test.again")
    enqueue("test.again", {})
    with pytest.raises(AssertionError, match=r"ran 5 jobs and more are due"):
        drain(limit=5)


def test_jobs_of_a_queue_with_many_slots_run_here_one_after_the_other(any_db):
    """A test sees what each left, on its own connection, whatever its workers would do at once."""
    enqueue("test.note", {"name": "a"}, queue="payments")
    enqueue("test.note", {"name": "b"}, queue="payments")
    assert [job.state for job in drain("payments")] == ["succeeded", "succeeded"]
    assert names() == ["a", "b"]
