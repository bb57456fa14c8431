"""Each door with a real dispatcher and a real worker behind it."""

import pytest
from django.tasks import TaskResultStatus

from apps.jobs.models import Worker
from tests.app import elsewhere, tasks
from tests.support.processes import wait_until


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


def test_django_tasks_of_every_sort_run_in_a_real_worker(platform):
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
