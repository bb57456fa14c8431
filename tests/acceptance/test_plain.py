"""Plain Celery tasks beside the ledger: their own queue, worker and results."""

from django_celery_results.models import TaskResult

from config import plain
from tests import kinds
from tests.app.models import Effect
from tests.support.processes import wait_until


def test_a_plain_task_runs_on_its_own_worker_within_limits_and_leaves_a_result(processes):
    """django-celery-results holds that it started, and what it returned."""
    processes.plain_worker(concurrency=1)
    sent = kinds.plain.delay("Ada")
    row = wait_until(lambda: TaskResult.objects.filter(task_id=sent.id, status="SUCCESS").first())
    assert row.task_name == "test.plain"
    assert row.result == '"Ada"'
    effect = Effect.objects.get()
    assert (effect.name, effect.value) == ("Ada", "STARTED")
    (stats,) = plain.app.control.inspect(timeout=10, limit=1).stats().values()
    assert stats["pool"]["timeouts"] == [25 * 60, 30 * 60]


def test_a_plain_task_whose_process_dies_is_delivered_again(processes):
    """acks_late and reject_on_worker_lost are on for plain tasks."""
    processes.plain_worker(concurrency=1)
    kinds.plain.delay("again", kill_first=True)
    wait_until(Effect.objects.exists, timeout=60)
