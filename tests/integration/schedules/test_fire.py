from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from celeriac.core import clock
from celeriac.jobs.models import Job
from celeriac.schedules import fire, sql
from celeriac.schedules.fire import fire_due
from celeriac.schedules.loop import Loop
from celeriac.schedules.models import Policy, Tick
from celeriac.schedules.refresh import refresh_schedules
from tests.factories import JobFactory
from tests.factories_schedules import PeriodicTaskFactory, schedule_of
from tests.integration.schedules.conftest import jobs, ticks

pytestmark = pytest.mark.django_db


def test_a_due_tick_becomes_a_job_at_its_nominal_time(at, look):
    """The job is due at the nominal time, not at the moment somebody looked."""
    with at("2026-03-02 09:00"):
        task = PeriodicTaskFactory(cron="15 10 * * *")
    with at("2026-03-02 10:15:03"):
        look()
    tick = Tick.objects.get(periodic_task=task)
    job = Job.objects.get(tick=tick.pk)
    assert (tick.status, tick.job) == ("fired", job.pk)
    assert job.run_at == tick.scheduled_for == datetime(2026, 3, 2, 10, 15, tzinfo=UTC)
    assert job.args == {"name": task.name}
    assert job.enqueued_by == f"schedule: {task.name}"


def test_looking_again_fires_nothing_again(at, look):
    """Not even when the clock was set back in between."""
    with at("2026-03-02 09:00"):
        task = PeriodicTaskFactory(cron="15 * * * *")
    for moment in ("09:15:01", "09:15:02", "09:14:00", "09:15:30"):
        with at(f"2026-03-02 {moment}"):
            look()
    assert ticks(task) == ["02 09:15"]


def test_intervals_do_not_drift(at, look):
    """However late each look is, the ticks keep to the grid."""
    with at("2026-03-02 09:00"):
        task = PeriodicTaskFactory(every=timedelta(minutes=10))
    for moment in ("09:10:09", "09:20:31", "09:30:02"):
        with at(f"2026-03-02 {moment}"):
            look()
    assert ticks(task) == ["02 09:10", "02 09:20", "02 09:30"]


@pytest.mark.parametrize(
    ("policy", "fired", "missed"),
    [
        ({"misfire": "skip"}, ["02 12:00"], ["02 10:00", "02 11:00"]),
        ({"misfire": "once"}, ["02 12:00"], ["02 10:00", "02 11:00"]),
        ({"misfire": "all"}, ["02 10:00", "02 11:00", "02 12:00"], []),
        ({"misfire": "all", "misfire_limit": 1}, ["02 11:00", "02 12:00"], ["02 10:00"]),
        ({"misfire": "skip", "misfire_grace": 7200.0}, ["02 11:00", "02 12:00"], ["02 10:00"]),
    ],
)
def test_late_ticks_follow_the_misfire_policy(at, look, policy, fired, missed):
    """The tick of this very minute is not late."""
    with at("2026-03-02 09:30"):
        task = PeriodicTaskFactory(cron="0 * * * *", policy=policy)
    with at("2026-03-02 12:00:30"):
        look()
    assert ticks(task, "fired") == fired
    assert ticks(task, "missed") == missed


def test_one_run_makes_up_for_a_downtime(at, look):
    """With every tick late, the newest runs."""
    with at("2026-03-02 09:30"):
        task = PeriodicTaskFactory(cron="0 * * * *")
    with at("2026-03-02 12:20"):
        look()
    assert ticks(task, "fired") == ["02 12:00"]


def test_a_long_downtime_leaves_rows_that_can_be_read(at, look):
    """A month of minutes is a hundred rows and a count."""
    with at("2026-03-01 00:00:30"):
        task = PeriodicTaskFactory(cron="* * * * *", policy={"misfire": "skip"})
        span = PeriodicTaskFactory(every=timedelta(seconds=1), policy={"misfire": "skip"})
    with at("2026-03-08 00:00:30"):
        look()
    for schedule, total in ((task, 7 * 1440 - 1), (span, 7 * 86_400 - 60)):
        missed = Tick.objects.filter(periodic_task=schedule, status="missed")
        rest = missed.order_by("scheduled_for").first()
        assert missed.count() == 100
        assert rest.missed_since < rest.scheduled_for
        assert abs(rest.missed_before + 100 - total) <= 1


def test_a_tick_waits_for_its_predecessor_under_skip_and_wait(at, look):
    """Skip drops it, wait gives all jobs of the schedule one lock, allow does neither."""
    with at("2026-03-02 09:59"):
        made = {
            overlap: PeriodicTaskFactory(cron="* * * * *", policy={"overlap": overlap})
            for overlap in ("allow", "skip", "wait")
        }
    for moment in ("10:00:01", "10:01:01"):
        with at(f"2026-03-02 {moment}"):
            look()
    assert ticks(made["allow"], "fired") == ["02 10:00", "02 10:01"]
    assert ticks(made["skip"], "fired") == ["02 10:00"]
    skipped = Tick.objects.get(periodic_task=made["skip"], status="skipped")
    assert "has not finished" in skipped.reason
    assert {job.lock_key for job in jobs(made["wait"])} == {f"schedule:{made['wait'].pk}"}
    assert {job.lock_key for job in jobs(made["allow"])} == {None}
    Job.objects.filter(tick__isnull=False).update(
        state="succeeded", finished_at=clock.Now(), started_at=clock.Now(), attempt=1
    )
    with at("2026-03-02 10:02:01"):
        look()
    assert ticks(made["skip"], "fired") == ["02 10:00", "02 10:02"]


def test_a_kind_with_a_lock_of_its_own_keeps_it(at, look):
    """It is the same for every tick, so they run one by one already."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(
            task="test.locked", kwargs='{"account": "a"}', policy={"overlap": "wait"}
        )
    with at("2026-03-02 10:00:01"):
        look()
    assert jobs(task).get().lock_key == "account:a"


def test_a_deadline_lets_the_job_expire_or_skips_the_tick(at, look):
    """It counts from the nominal time."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(
            cron="* * * * *", policy={"deadline": 90.0, "misfire": "all", "jitter": 5.0}
        )
        inherited = PeriodicTaskFactory(cron="* * * * *", expire_seconds=30)
    with at("2026-03-02 10:01:40"):
        look()
    assert ticks(task, "skipped") == ["02 10:00"]
    job = jobs(task).get()
    assert job.expires_at == datetime(2026, 3, 2, 10, 2, 30, tzinfo=UTC)
    assert (
        timedelta() <= job.run_at - datetime(2026, 3, 2, 10, 1, tzinfo=UTC) < timedelta(seconds=5)
    )
    assert Tick.objects.filter(periodic_task=inherited, status="fired").count() == 0


def test_a_paused_schedule_skips_its_ticks_and_says_why(at, look):
    """A pause may end by itself."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(cron="*/10 * * * *")
    Policy.objects.filter(pk=task.pk).update(
        paused_at=datetime(2026, 3, 2, 10, 5, tzinfo=UTC),
        paused_until=datetime(2026, 3, 2, 10, 25, tzinfo=UTC),
        paused_by="ann",
        pause_reason="migration",
    )
    for moment in ("10:00:01", "10:10:01", "10:20:01", "10:30:01"):
        with at(f"2026-03-02 {moment}"):
            look()
    assert ticks(task, "fired") == ["02 10:00", "02 10:30"]
    assert Tick.objects.filter(status="skipped").first().reason == "paused by ann: migration"


def test_a_clocked_task_fires_once_even_when_its_time_has_passed(at, look):
    """Saving takes a moment, and beat may be down."""
    with at("2026-03-02 10:00"):
        past = PeriodicTaskFactory(at=datetime(2026, 3, 2, 9, 59, 58, tzinfo=UTC))
        ahead = PeriodicTaskFactory(at=datetime(2026, 3, 2, 10, 30, tzinfo=UTC))
        look()
        assert ticks(past, "fired") == ["02 09:59:58"]
        assert ticks(ahead) == []
    with at("2026-03-02 12:00"):
        look()
        look()
    assert ticks(ahead, "fired") == ["02 10:30"]
    assert not PeriodicTask.objects.filter(enabled=True).exists()


def test_start_time_and_expiry_bound_a_schedule(at, look):
    """The start time itself is an interval's first tick."""
    with at("2026-03-02 09:00"):
        task = PeriodicTaskFactory(
            every=timedelta(minutes=30),
            start_time=datetime(2026, 3, 2, 10, 0, tzinfo=UTC),
            expires=datetime(2026, 3, 2, 11, 0, tzinfo=UTC),
            policy={"misfire": "all"},
        )
    with at("2026-03-02 12:00"):
        look()
    assert ticks(task) == ["02 10:00", "02 10:30"]
    assert Policy.objects.get(pk=task.pk).next_fire_at is None


def test_a_task_that_can_not_be_called_leaves_the_reason(at, look):
    """And no other schedule suffers."""
    with at("2026-03-02 09:59"):
        bad = PeriodicTaskFactory(kwargs='{"nam": "x"}')
        unknown = PeriodicTaskFactory(task="test.nope")
        good = PeriodicTaskFactory()
    with at("2026-03-02 10:00:01"):
        look()
    assert "did you mean 'name'" in Tick.objects.get(periodic_task=bad).reason
    assert "did you mean 'test.note" in Tick.objects.get(periodic_task=unknown).reason
    assert ticks(good, "fired") == ["02 10:00"]


def test_a_plain_task_is_sent_by_a_job(at, look):
    """So that a broker outage loses none of its ticks."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(task="test.plain", kwargs='{"name": "x"}', queue="plain")
    with at("2026-03-02 10:00:01"):
        look()
    job = jobs(task).get()
    assert job.kind == "schedules.send"
    assert job.args["task"] == "test.plain"
    assert job.args["options"]["queue"] == "plain"


def test_positional_arguments_get_their_names(at, look):
    """The ledger knows keywords only."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(args='["x"]', kwargs='{"value": "y"}', priority=7)
    with at("2026-03-02 10:00:01"):
        look()
    job = jobs(task).get()
    assert job.args == {"name": "x", "value": "y"}
    assert job.priority == 7


def test_a_failure_leaves_neither_tick_nor_job_nor_advance(at, look, monkeypatch):
    """Tick, job and cursor are one transaction."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory()
    before = Policy.objects.get(pk=task.pk)

    def broken(rows):
        raise DatabaseError("gone")

    with at("2026-03-02 10:00:01"):
        with monkeypatch.context() as patched:
            patched.setattr(sql, "advance_schedules", broken)
            with pytest.raises(DatabaseError):
                fire_due()
        after = Policy.objects.get(pk=task.pk)
        assert (after.cursor, Job.objects.count(), Tick.objects.count()) == (before.cursor, 0, 0)
        look()
    assert ticks(task, "fired") == ["02 10:00"]


def test_an_existing_tick_is_never_fired_again(at):
    """The unique constraint is the guarantee behind the lock."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory()
    Tick.objects.create(
        periodic_task=task, scheduled_for=datetime(2026, 3, 2, 10, tzinfo=UTC), status="fired"
    )
    with at("2026-03-02 10:00:01"):
        assert fire_due().fired == 0
    assert not Job.objects.exists()


@pytest.mark.parametrize("through", ["row", "crontab"])
def test_an_update_that_sends_no_signal_is_seen(at, look, through):
    """What says when a schedule fires is compared, not who said that it changed."""
    with at("2026-03-02 09:00"):
        task = PeriodicTaskFactory(cron="30 10 * * *")
        if through == "row":
            PeriodicTask.objects.update(crontab=schedule_of(cron="30 9 * * *")["crontab"])
        else:
            CrontabSchedule.objects.filter(pk=task.crontab_id).update(hour="9")
        refresh_schedules()
    with at("2026-03-02 10:30:01"):
        look()
    assert ticks(task) == ["02 09:30"]


def test_an_edit_that_beat_meets_while_firing_counts(at):
    """Even before it looked for changes: the old time does not fire."""
    with at("2026-03-02 09:00"):
        task = PeriodicTaskFactory(cron="30 9 * * *")
        PeriodicTask.objects.update(enabled=False)
    with at("2026-03-02 09:30:01"):
        assert fire_due().fired == 0
    assert Policy.objects.get(pk=task.pk).next_fire_at is None


def test_a_bulk_created_task_is_taken_up(at, look):
    """It sends no signal either."""
    with at("2026-03-02 09:00"):
        row = PeriodicTask(name="bulk", task="test.noop", **schedule_of(cron="30 9 * * *"))
        PeriodicTask.objects.bulk_create([row])
        look()
    with at("2026-03-02 09:30:01"):
        look()
    assert ticks(PeriodicTask.objects.get()) == ["02 09:30"]


def test_disabling_and_enabling_makes_up_for_nothing(at, look):
    """Ticks of the time between are nobody's."""
    with at("2026-03-02 09:00"):
        task = PeriodicTaskFactory(cron="0 * * * *", policy={"misfire": "all"})
        task.enabled = False
        task.save()
    with at("2026-03-02 12:30"):
        task.enabled = True
        task.save()
        look()
    with at("2026-03-02 13:00:01"):
        look()
    assert ticks(task) == ["02 13:00"]


def test_a_one_off_task_fires_a_single_time(at, look):
    """Also when several of its ticks are due at once."""
    with at("2026-03-02 09:00"):
        task = PeriodicTaskFactory(cron="0 * * * *", one_off=True, policy={"misfire": "all"})
    for moment in ("11:00:10", "12:00:10"):
        with at(f"2026-03-02 {moment}"):
            look()
    task.refresh_from_db()
    assert ticks(task) == ["02 10:00"]
    assert (task.enabled, task.total_run_count) == (False, 1)


def test_a_tick_may_join_the_waiting_job_of_its_unique_key(at, look, declare_unique):
    """And says so."""
    with at("2026-03-02 09:59"):
        waiting = JobFactory(kind="test.single", unique_key="single", args={})
        task = PeriodicTaskFactory(task="test.single", kwargs="{}")
    with at("2026-03-02 10:00:01"):
        look()
    tick = Tick.objects.get(periodic_task=task)
    assert tick.job == waiting.pk
    assert "joined" in tick.reason


@pytest.fixture
def declare_unique():
    """Declare a kind of which no two jobs wait."""
    from celeriac.jobs import registry
    from celeriac.jobs.schema import Schema

    def handler():
        pass

    kind = registry.Kind(
        name="test.single", handler=handler, schema=Schema.of(handler), unique="single"
    )
    yield registry.declare_kind(kind)
    registry.forget_kind("test.single")


def test_the_due_query_reads_an_index(at):
    """Ten thousand schedules must cost what one costs."""
    tables = schedule_of(cron="0 0 1 1 *")
    PeriodicTask.objects.bulk_create(
        [PeriodicTask(name=f"n{n}", task="test.noop", **tables) for n in range(2000)]
    )
    refresh_schedules()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE celeriac_schedules_policy")
        cursor.execute(f"EXPLAIN {sql._LOCK_DUE}", {"limit": 100, "only": None})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "celeriac_schedule_due" in plan
    assert "Seq Scan" not in plan


def test_a_burst_is_taken_in_batches(at, look):
    """More schedules at one moment than a transaction takes."""
    with at("2026-03-02 09:59"):
        tables = schedule_of(cron="0 * * * *")
        PeriodicTask.objects.bulk_create(
            [PeriodicTask(name=f"n{n}", task="test.noop", **tables) for n in range(250)]
        )
        refresh_schedules()
    with at("2026-03-02 10:00:01"):
        assert fire_due().fired == fire.BATCH
        look()
    assert Job.objects.count() == 250


def test_a_beat_asks_once_a_turn_where_nothing_is_due():
    """Neither a transaction nor a lock, and a change is still noticed in the refresh's time."""
    loop = Loop()
    loop.turn()
    loop.turn()
    with CaptureQueriesContext(connection) as asked:
        loop.turn()
    assert len(asked) == 1
    task = PeriodicTaskFactory(name="new", cron="* * * * *")
    loop._refreshed_at = None
    loop.turn()
    assert Policy.objects.get(pk=task.pk).next_fire_at is not None
