"""What a task's flags and Celery's settings make of its kind."""

import pytest

from celeriac.celery.adopted.policy import FOR_EVER
from celeriac.jobs import registry
from celeriac.jobs.losses import FEW, Loss

LATE = {"acks_late": True}


def nothing():
    """Do nothing."""


def kind(app, name="acme.kind", **flags):
    """Return the kind of a task with these flags."""
    app.task(name=name, **flags)(nothing)
    app.finalize()
    return registry.find_kind(app.tasks[name].name)


@pytest.mark.parametrize(
    ("flags", "again"),
    [
        ({}, set()),
        ({"reject_on_worker_lost": True}, set()),
        (LATE, {Loss.WORKER}),
        ({**LATE, "reject_on_worker_lost": True}, {Loss.WORKER, Loss.CHILD}),
        ({"retry_on_worker_lost": True}, {Loss.CHILD}),
        ({**LATE, "acks_on_failure_or_timeout": False}, {Loss.WORKER, Loss.OVERRUN}),
        ({**LATE, "acks_on_timeout": False}, {Loss.WORKER, Loss.OVERRUN}),
        ({"acks_on_timeout": False}, set()),
    ],
)
def test_flags_say_after_which_losses_a_task_starts_again(acme, flags, again):
    """As Celery would have it delivered again."""
    found = kind(acme, **flags)
    assert found.runs_again == again
    assert found.widest == (None if Loss.WORKER in again else FEW)
    assert found.fails_on_outage


def test_settings_say_it_where_the_task_does_not(adopt):
    """And RUN_AGAIN in the place of both, by pattern; the first that fits counts."""
    said = {"acme.a.*": True, "acme.b": "worker", "acme.*": False}
    app = adopt("*", celeriac={"RUN_AGAIN": said}, task_acks_late=True, task_time_limit=60)
    assert kind(app, "acme.a.x").runs_again == {Loss.CHILD, Loss.WORKER}
    assert kind(app, "acme.b").runs_again == {Loss.WORKER}


def test_limits_are_the_tasks_then_the_settings_then_none(adopt, acme):
    """Soft and hard, in seconds."""
    assert (kind(acme).timeout, kind(acme).hard_timeout) == (None, None)
    app = adopt("other.*", task_time_limit=60, task_soft_time_limit=50)
    found = kind(app, "other.one")
    assert (found.timeout, found.hard_timeout) == (50, 60)


def test_retries_are_counted_as_celery_counts_them(adopt):
    """For ever where it says None; a lost process is one where the task says so."""
    app = adopt("acme.*")
    app.task(name="acme.none", max_retries=None)(nothing)
    app.task(name="acme.two", max_retries=2, retry_on_worker_lost=True, default_retry_delay=7)(
        nothing
    )
    app.finalize()
    assert registry.find_kind("acme.none").retry.max_attempts == FOR_EVER
    two = registry.find_kind("acme.two")
    assert (two.retry.max_attempts, two.max_losses, two.loss_delay) == (3, 3, 7.0)
