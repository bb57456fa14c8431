"""The faults of django-celery-beat's scheduler, each shown on it and absent here.

Every test runs twice: on the stock scheduler it must fail (strictly, so that a
release that mends it is noticed), on ours it must pass.
"""

from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from celery.beat import Scheduler
from django.db import DatabaseError, connection
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler as Stock
from freezegun import freeze_time

from celeriac.jobs.models import Job
from celeriac.schedules import sql
from celeriac.schedules.loop import Loop
from celeriac.schedules.models import Policy
from tests.factories_schedules import PeriodicTaskFactory, schedule_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.parametrize(
        "world",
        [
            pytest.param("stock", marks=pytest.mark.xfail(strict=True, raises=AssertionError)),
            "ours",
        ],
        indirect=True,
    ),
]
START = datetime(2026, 3, 2, 6, 0, 30, tzinfo=UTC)


class World:
    """Simulated time: Python's clock by freezegun, the database's by its offset."""

    def __init__(self):
        """Begin at START."""
        self.frozen = freeze_time(START, ignore=["psycopg"])
        self.time = self.frozen.start()
        self.now = START
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement_timestamp()")
            self.real = cursor.fetchone()[0]
        self.move(START)

    def move(self, moment):
        """Set both clocks."""
        self.now = moment
        self.time.move_to(moment)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('celeriac.clock_offset', %s, false)",
                [f"{(moment - self.real).total_seconds()} seconds"],
            )

    def end(self):
        """Give the clocks back."""
        self.frozen.stop()
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('celeriac.clock_offset', '', false)")


class StockWorld(World):
    """django-celery-beat's scheduler; what it sends is written down."""

    def __init__(self):
        """Begin with an application that has no broker and no entries."""
        super().__init__()
        self.sent = []
        self.broker_is_down = False
        self.app = Celery("stock", broker="memory://", set_as_current=False)
        self.app.conf.update(result_expires=None, beat_schedule={}, timezone="UTC")

    def beat(self):
        """Start a beat."""
        beat = Stock(app=self.app)
        beat._finalize.cancel()  # it would sync when this process ends
        beat.apply_async = lambda entry, **_: self.send(entry)
        return beat

    def send(self, entry):
        """Publish."""
        if self.broker_is_down:
            raise ConnectionError("no broker")
        self.sent.append((entry.name, self.now))

    def turn(self, beat):
        """Let a beat run until it has nothing to do."""
        for _ in range(50):
            if beat.tick():
                return

    def fired(self, task):
        """Return when a task was sent, in whole minutes."""
        return [f"{at:%H:%M}" for name, at in self.sent if name == task.name]


class OurWorld(World):
    """Our scheduler; what it fires is in the ledger."""

    def beat(self):
        """Start a beat."""
        return Loop()

    def turn(self, beat):
        """Let a beat run until it has nothing to do."""
        beat._refreshed_at = None
        for _ in range(50):
            if beat.turn() > 0.1:
                return

    def fired(self, task):
        """Return when a task's jobs were due, in whole minutes."""
        jobs = Job.objects.filter(enqueued_by=f"schedule: {task.name}").order_by("run_at")
        return [f"{job.run_at:%H:%M}" for job in jobs]


@pytest.fixture
def world(request, settings, monkeypatch):
    """Return the stock scheduler's world, or ours."""
    settings.CELERY_BEAT_SCHEDULE = {}
    # The connection is the test's own, and old by the simulated clock.
    monkeypatch.setattr("django_celery_beat.schedulers.close_old_connections", lambda: None)
    world = StockWorld() if request.param == "stock" else OurWorld()
    yield world
    world.end()


def daily(world, hour, **columns):
    """Make a daily schedule that ran yesterday."""
    task = PeriodicTaskFactory(cron=f"0 {hour} * * *", **columns)
    PeriodicTask.objects.filter(pk=task.pk).update(
        last_run_at=world.now.replace(hour=hour, minute=0, second=0) - timedelta(days=1)
    )
    return task


def test_nothing_fires_early_after_a_downtime(world):
    """The window of two hours around now: a daily 10:00 fired at 08:00, and again at 10:00."""
    task = daily(world, 10)
    PeriodicTask.objects.update(last_run_at=world.now - timedelta(days=3))
    Policy.objects.update(misfire="skip")
    world.move(START + timedelta(hours=2))
    world.turn(world.beat())
    assert world.fired(task) == []


def test_a_downtime_is_made_up_for_only_where_the_policy_says_so(world):
    """#537: an immediate run after every downtime."""
    task = daily(world, 7)
    Policy.objects.update(misfire="skip")
    world.move(START + timedelta(hours=3))
    world.turn(world.beat())
    assert world.fired(task) == []


def test_every_missed_tick_runs_where_the_policy_says_so(world):
    """One catch-up run was all there was."""
    task = PeriodicTaskFactory(cron="0 * * * *", policy={"misfire": "all"})
    world.turn(world.beat())
    world.move(START + timedelta(hours=3))
    world.turn(world.beat())
    assert world.fired(task) == ["07:00", "08:00", "09:00"]


def test_a_killed_beat_does_not_fire_again(world):
    """last_run_at was written every three minutes."""
    task = PeriodicTaskFactory(cron="* * * * *")
    first = world.beat()
    world.turn(first)
    world.move(START + timedelta(minutes=1))
    world.turn(first)
    world.turn(world.beat())  # the first one was killed: it never wrote
    assert len(world.fired(task)) == 1


def test_two_beats_fire_once(world):
    """#337, #576."""
    task = PeriodicTaskFactory(cron="* * * * *")
    beats = [world.beat(), world.beat()]
    for beat in beats:
        world.turn(beat)
    world.move(START + timedelta(minutes=1))
    for beat in beats:
        world.turn(beat)
    assert len(world.fired(task)) == 1


def test_a_broker_outage_loses_no_run(world):
    """The entry was reserved before the publish, and the error swallowed."""
    task = PeriodicTaskFactory(cron="* * * * *")
    beat = world.beat()
    world.turn(beat)
    world.broker_is_down = True
    world.move(START + timedelta(minutes=1))
    world.turn(beat)
    world.broker_is_down = False
    world.turn(beat)
    assert len(world.fired(task)) == 1


def test_intervals_do_not_drift(world):
    """The next one was counted from when the last one was looked at."""
    task = PeriodicTaskFactory(every=timedelta(minutes=10), policy={"misfire": "all"})
    beat = world.beat()
    world.turn(beat)
    for minutes in (14, 20, 30):
        world.move(START + timedelta(minutes=minutes))
        world.turn(beat)
    assert len(world.fired(task)) == 3


def test_an_update_without_signals_is_seen(world):
    """It went around PeriodicTasks.changed()."""
    task = PeriodicTaskFactory(cron="0 10 * * *")
    beat = world.beat()
    world.turn(beat)
    PeriodicTask.objects.update(crontab=schedule_of(cron="3 6 * * *")["crontab"])
    for seconds in (20, 160):  # every five minutes it reads everything anew
        world.move(START + timedelta(seconds=seconds))
        world.turn(beat)
    assert len(world.fired(task)) == 1


def test_no_tick_overlaps_where_the_policy_says_so(world):
    """There was no such policy."""
    task = PeriodicTaskFactory(cron="* * * * *", policy={"overlap": "skip"})
    beat = world.beat()
    for minutes in range(3):
        world.move(START + timedelta(minutes=minutes))
        world.turn(beat)
    assert len(world.fired(task)) == 1


def test_an_entry_survives_a_database_error_while_it_is_saved(world, monkeypatch):
    """sync() dropped what it had taken from its set, and the run count with it."""
    task = PeriodicTaskFactory(cron="* * * * *")
    beat = world.beat()
    world.turn(beat)
    world.move(START + timedelta(minutes=1))
    with monkeypatch.context() as patched:

        def broken(*_, **__):
            raise DatabaseError("gone")

        patched.setattr("django_celery_beat.schedulers.ModelEntry.save", broken)
        patched.setattr(sql, "count_runs", broken)
        patched.setattr("celeriac.schedules.loop.connection", _Connection())
        world.turn(beat)
        if isinstance(beat, Scheduler):
            beat.sync()
    world.turn(beat)
    if isinstance(beat, Scheduler):
        beat.sync()
    task.refresh_from_db()
    assert task.total_run_count == 1


def test_a_lost_database_does_not_kill_beat(world, monkeypatch):
    """While it read its schedule anew."""
    PeriodicTaskFactory(cron="* * * * *")
    beat = world.beat()
    world.turn(beat)

    def broken(*_, **__):
        raise DatabaseError("gone")

    world.move(START + timedelta(seconds=10))
    PeriodicTaskFactory(cron="* * * * *")
    world.move(START + timedelta(minutes=1))
    with monkeypatch.context() as patched:
        patched.setattr("django_celery_beat.schedulers.DatabaseScheduler.enabled_models", broken)
        patched.setattr(sql, "lock_due", broken)
        patched.setattr("celeriac.schedules.loop.connection", _Connection())
        died = _dies(world, beat)
    assert not died


def test_a_restart_leaves_an_edited_declaration_alone(world, settings):
    """Entries from the settings were written over the row at each start."""
    entry = {"mine": {"task": "test.note", "schedule": 3600.0, "kwargs": {"name": "x"}}}
    settings.CELERY_BEAT_SCHEDULE = entry
    if isinstance(world, StockWorld):
        world.app.conf.beat_schedule = entry
    world.turn(world.beat())
    PeriodicTask.objects.filter(name="mine").update(
        interval=schedule_of(every=timedelta(minutes=5))["interval"]
    )
    world.turn(world.beat())
    assert PeriodicTask.objects.get(name="mine").interval.every == 300


class _Connection:
    """Stands in for the connection that a failed turn would close: the test's own."""

    def close(self):
        """Stay open."""


def _dies(world, beat):
    try:
        world.turn(beat)
    except DatabaseError:
        return True
    return False
