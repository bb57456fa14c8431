"""Each door with a real dispatcher and a real worker behind it."""

import pytest
from django.tasks import TaskResultStatus
from django_celery_results.models import TaskResult

from apps.jobs.api import JobFailed
from apps.jobs.models import Worker
from tests import kinds
from tests.app import elsewhere, moved, tasks
from tests.support.processes import wait_until

pytestmark = pytest.mark.covered


@pytest.fixture
def platform(processes):
    """Start a dispatcher and a worker that serve the default queue."""
    processes.dispatcher()
    return processes.worker(queues=["default"], concurrency=1)


def finished(result):
    """Wait until a task's result is finished, and return it."""

    def is_finished():
        result.refresh()
        return result.is_finished

    wait_until(is_finished, timeout=60, message=f"{result.task.module_path} to end")
    return result


def test_both_doors_end_in_the_same_real_worker(platform):
    """One start of the platform serves both: it is most of the cost."""
    check_django_tasks()
    check_moved_celery_code()


def check_django_tasks():
    """Functions, coroutines, contexts, retries, tasks found by path; failures tell their error."""
    sum_ = tasks.add.enqueue(1, b=2)
    coroutine = tasks.anote.enqueue("Ada")
    context = tasks.describe.enqueue(word="hello")
    retried = tasks.fail_twice.enqueue("Eve")
    far = elsewhere.anote.enqueue("far")
    failed = tasks.fail.enqueue("so it goes")
    late = tasks.too_long.enqueue(60)
    assert finished(sum_).return_value == 3
    assert finished(coroutine).return_value == "Ada"
    assert finished(context).return_value == {"attempt": 1, "id": context.id, "word": "hello"}
    assert finished(far).return_value == "far"
    assert finished(failed).errors[0].exception_class is ValueError
    assert finished(retried).return_value == 3
    assert finished(late).status == TaskResultStatus.FAILED
    assert sum_.worker_ids == [str(Worker.objects.get().id)]
    assert "tests.app.tasks.add" in Worker.objects.get().kinds


def check_moved_celery_code():
    """delay, self.retry, limits, and results by id; a row for django-celery-results."""
    total = moved.add.delay(1, 2)
    retried = moved.give_up_nicely.delay()
    stopped = moved.slow.delay()
    failed = moved.fail.delay()
    shown = kinds.shown.delay("Ada")
    assert total.get(timeout=60) == 3
    assert moved.AsyncResult(retried.id).get(timeout=60) == "gave up after 1 retries"
    assert stopped.get(timeout=60) == "cleaned up"
    assert isinstance(failed.get(timeout=60, propagate=False), JobFailed)
    assert "ValueError" in failed.traceback
    assert shown.get(timeout=60) == "Ada"
    row = wait_until(lambda: TaskResult.objects.filter(task_id=shown.id).first())
    assert (row.status, row.result) == ("SUCCESS", '"Ada"')
