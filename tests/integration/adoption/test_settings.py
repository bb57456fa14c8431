"""A project's own settings keep their meaning for its plain tasks."""

import celery
import pytest

from celeriac.celery import Celery

#: What says how plain tasks travel, and how much of them is taken: not one is the ledger's to say.
HOSTS = (
    *("broker_transport_options", "broker_connection_max_retries", "broker_pool_acquire_timeout"),
    *("broker_connection_retry_on_startup", "task_acks_late", "task_reject_on_worker_lost"),
    *("task_acks_on_failure_or_timeout", "worker_prefetch_multiplier", "worker_send_task_events"),
    *("task_send_sent_event", "task_time_limit", "task_soft_time_limit", "result_backend"),
    *("worker_hijack_root_logger", "beat_scheduler", "worker_max_tasks_per_child"),
    *("worker_cancel_long_running_tasks_on_connection_loss", "task_default_queue", "worker_pool"),
)


@pytest.mark.parametrize("name", HOSTS)
def test_our_app_class_changes_no_setting_of_plain_tasks(name):
    """Each is Celery's own default, or what the project says."""
    ours, theirs = Celery("acme", set_as_current=False), celery.Celery("b", set_as_current=False)
    assert ours.conf.get(name) == theirs.conf.get(name)


def test_the_only_default_of_ours_is_the_workers_consumer():
    """Which takes plain messages as Celery's own does."""
    ours, theirs = Celery("acme", set_as_current=False), celery.Celery("b", set_as_current=False)
    differing = {name for name in theirs.conf if ours.conf.get(name) != theirs.conf.get(name)}
    assert differing <= {"worker_consumer"}
