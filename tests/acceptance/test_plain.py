"""Plain Celery tasks beside the ledger: their own queue, worker and results."""

from django_celery_results.models import TaskResult

from tests import kinds
from tests.app.models import Effect
from tests.support.processes import wait_until


def test_a_plain_task_runs_on_its_own_worker_and_leaves_a_result(processes):
    """django-celery-results holds what it returned."""
    processes.plain_worker(concurrency=1)
    sent = kinds.plain.delay("Ada")
    row = wait_until(lambda: TaskResult.objects.filter(task_id=sent.id, status="SUCCESS").first())
    assert row.task_name == "test.plain"
    assert row.result == '"Ada"'
    assert Effect.objects.get().name == "Ada"


def test_a_plain_task_whose_process_dies_is_delivered_again(processes):
    """acks_late and reject_on_worker_lost are on for plain tasks."""
    processes.plain_worker(concurrency=1)
    kinds.plain.delay("again", kill_first=True)
    wait_until(Effect.objects.exists, timeout=60)
