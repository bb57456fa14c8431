"""What each door returns of the job that it wrote: CONTRACT.md's words, one row behind all."""

from uuid import UUID

import pytest
from django.db import connection

from celeriac import JobFailed, JobHandle, JobNotFound, current_job, enqueue, enqueue_many
from celeriac.celery.results import AsyncResult
from celeriac.django_tasks.origin import TaskResult
from celeriac.jobs.models import Job
from celeriac.testing import drain
from tests import kinds
from tests.app import tasks

pytestmark = pytest.mark.django_db

NOTE = {"name": "Ada"}
DOORS = {
    "enqueue": (lambda: enqueue("test.note", NOTE), JobHandle, UUID),
    "enqueue_many": (lambda: enqueue_many("test.note", [NOTE])[0], JobHandle, UUID),
    ".enqueue": (lambda: kinds.note.enqueue("Ada"), JobHandle, UUID),
    ".delay": (lambda: kinds.note.delay("Ada"), AsyncResult, str),
    ".apply_async": (lambda: kinds.note.apply_async(("Ada",)), AsyncResult, str),
    "Django's Tasks": (lambda: tasks.note.enqueue("Ada"), TaskResult, str),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_returns_its_own_word_for_the_job(door):
    """Each has `id`, the job's, and reads its end."""
    call, word, id_type = DOORS[door]
    answer = call()
    assert isinstance(answer, word)
    assert isinstance(answer.id, id_type)
    assert Job.objects.get().id == UUID(str(answer.id))
    drain()
    match answer:
        case JobHandle():
            assert (answer.state, answer.get(timeout=5)) == ("succeeded", "Ada")
        case AsyncResult():
            assert (answer.state, answer.get(timeout=5)) == ("SUCCESS", "Ada")
        case TaskResult():
            answer.refresh()
            assert answer.is_finished


def test_a_child_is_a_handle_too(declare):
    """What `current_job().enqueue` returns is what `enqueue` does."""
    children = []

    def parent() -> None:
        children.extend(current_job().enqueue("step", "test.note", NOTE) for _ in range(2))

    declare(parent, "test.two_children")
    enqueue("test.two_children", {})
    drain()
    first, again = children
    assert (type(first), first.replayed, again.replayed) == (JobHandle, False, True)
    assert first == again


def test_a_handle_costs_no_statement_and_says_whether_the_job_was_new(
    django_assert_num_queries, declare
):
    """One INSERT, as before; `state` and `get` ask."""
    with django_assert_num_queries(1):
        handle = enqueue("test.note", NOTE)
    assert (handle.replayed, handle.absorbed) == (False, False)
    with django_assert_num_queries(1):
        assert handle.state == "queued"
    first = enqueue("test.note", NOTE, idempotency_key="k", unique_key="u")
    assert enqueue("test.note", NOTE, idempotency_key="k").replayed
    assert enqueue("test.note", NOTE, unique_key="u").absorbed
    assert enqueue("test.note", NOTE, unique_key="u") == first


def test_a_handle_waits_raises_and_misses():
    """TimeoutError while it waits, JobFailed when it died, JobNotFound when it is gone."""
    handle = enqueue("test.give_up", {})
    with pytest.raises(TimeoutError, match="still queued"):
        handle.get(timeout=0)
    drain()
    with pytest.raises(JobFailed, match="no such customer"):
        handle.get(timeout=5)
    Job.objects.all().delete()
    with pytest.raises(JobNotFound):
        handle.get(timeout=5)
    assert connection.in_atomic_block
