"""Beats on connections of their own."""

from datetime import timedelta

import pytest
from django_celery_beat.models import PeriodicTask

from celeriac.core import clock
from celeriac.jobs.models import Job
from celeriac.schedules.fire import fire_due
from celeriac.schedules.models import Policy, Tick
from celeriac.schedules.refresh import refresh_schedules
from celeriac.schedules.sync import sync_schedules
from tests.factories_schedules import PeriodicTaskFactory
from tests.support.threads import at_once, held_open

pytestmark = pytest.mark.django_db(transaction=True)


def overdue(count):
    """Make schedules with a tick that is due now."""
    tasks = [PeriodicTaskFactory(task="test.noop", kwargs="{}") for _ in range(count)]
    past = clock.db_now() - timedelta(seconds=90)
    Policy.objects.update(
        anchor=past, cursor=past, next_fire_at=past + timedelta(seconds=60), misfire="all"
    )
    return tasks


def test_beats_that_look_at_the_same_moment_share_the_work():
    """Each tick once, whoever gets it."""
    overdue(40)
    rounds = at_once(4, lambda _: sum(fire_due(limit=5).fired for _ in range(10)))
    assert sum(rounds) == Tick.objects.count() == Job.objects.count() == 40


def test_an_edit_in_flight_holds_nobody_else_up():
    """Its schedule waits for the commit and then obeys it; the others fire."""
    edited, other = overdue(2)

    def edit():
        PeriodicTask.objects.filter(pk=edited.pk).update(enabled=False)

    with held_open(edit) as (_, commit):
        assert fire_due().fired == 1
        assert Tick.objects.get().periodic_task_id == other.pk
        commit()
    assert fire_due().fired == 0
    assert Tick.objects.count() == 1


def test_a_late_commit_is_seen():
    """A schedule made in a transaction that was open while everybody looked."""

    def make():
        return PeriodicTask.objects.bulk_create(
            [PeriodicTask(name="late", task="test.noop", interval=kept.interval)]
        )

    kept = PeriodicTaskFactory()
    with held_open(make) as (_, commit):
        assert refresh_schedules() == 0
        commit()
    assert refresh_schedules() == 1
    assert Policy.objects.filter(periodic_task__name="late", next_fire_at__isnull=False).exists()


def test_beats_that_start_together_declare_once():
    """Names are unique, and nobody fails over it."""
    at_once(4, lambda _: sync_schedules())
    names = list(PeriodicTask.objects.values_list("name", flat=True))
    assert "maintenance.prune" in names
    assert len(names) == len(set(names))


def test_beats_that_refresh_together_begin_a_schedule_once():
    """One of them takes it up, the others pass."""
    for _ in range(20):
        PeriodicTaskFactory()
    PeriodicTask.objects.update(one_off=False, start_time=clock.db_now())
    assert sum(at_once(4, lambda _: refresh_schedules())) == 20
