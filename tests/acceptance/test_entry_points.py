"""Each door with a real dispatcher and a real worker behind it."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from uuid import uuid4

import pytest
from celery import Celery
from django_celery_results.models import TaskResult

from celeriac import JobFailed
from celeriac.django_tasks.origin import TaskResultStatus
from celeriac.jobs.models import Job, JobKey, Worker
from tests import kinds
from tests.app import elsewhere, moved, tasks
from tests.app.models import Effect
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


def test_all_doors_end_in_the_same_real_worker(platform, process_env):
    """One start of the platform serves both: it is most of the cost."""
    check_django_tasks()
    check_moved_celery_code()
    check_plain_messages()
    check_celerys_command(process_env)
    check_the_standard_library()


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


def check_plain_messages():
    """Another project sends a kind by its name: a row, once a task id, with its times."""
    foreign = Celery("foreign", broker=os.environ["BROKER_URL"], set_as_current=False)
    once, odd, later = (str(uuid4()) for _ in range(3))
    for _ in range(2):
        foreign.send_task("test.note", ["sent"], {"value": "v"}, task_id=once, queue="default")
    ids = [str(uuid4())]
    foreign.send_task("test.listed", [ids], task_id=odd, queue="default")
    foreign.send_task("test.note", ["later"], task_id=later, queue="default", countdown=3600)
    bad, tail = (str(uuid4()) for _ in range(2))
    foreign.send_task("test.note", ["x", "y", "z"], task_id=bad, queue="default")
    foreign.send_task(
        "test.note", ["x"], task_id=tail, queue="default", link=foreign.signature("other.task")
    )
    foreign.send_task("test.note", ["x"], task_id=str(uuid4()), queue="default", expires=-5)
    foreign.close()
    keyed = {}

    def rows():
        keyed.update(JobKey.objects.filter(scope="").values_list("key", "job_id"))
        return {once, odd, later} <= keyed.keys()

    wait_until(rows, timeout=60)
    wait_until(lambda: Effect.objects.filter(name="sent").exists(), timeout=60)
    job = Job.objects.get(pk=keyed[once])
    assert (job.args, job.enqueued_by) == ({"name": "sent", "value": "v"}, "celery")
    wait_until(lambda: Job.objects.get(pk=keyed[odd]).state == "succeeded", timeout=60)
    assert Job.objects.get(pk=keyed[odd]).result == ids
    waiting = Job.objects.get(pk=keyed[later])
    assert waiting.state == "queued"
    assert timedelta(minutes=59) < waiting.run_at - waiting.created_at < timedelta(minutes=61)
    assert Effect.objects.filter(name="sent").count() == 1
    assert not {bad, tail} & set(JobKey.objects.values_list("key", flat=True))


def check_celerys_command(process_env):
    """`celery call` writes a row and prints its id."""
    arguments = json.dumps(["called"])
    command = ["-m", "celery", "-A", "config", "call", "test.note", f"--args={arguments}"]
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **process_env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Job.objects.filter(pk=done.stdout.split()[-1], args__name="called").exists()


def check_the_standard_library():
    """Processes of a handler's own, and a standard output that is a file."""
    result = kinds.at_home.delay().get(timeout=60)
    assert result == {"pool": 7, "process": 0, "echo": 0, "out": True, "tty": False}
