import io
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from celery.schedules import crontab, schedule as every, solar
from django.core.management import CommandError, call_command
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import PeriodicTask

from celeriac.builtin.cleanup import clean_up_rows
from celeriac.core.models import Audit
from celeriac.jobs import registry
from celeriac.jobs.models import Job
from celeriac.jobs.schema import Schema
from celeriac.schedules import operate, selectors
from celeriac.schedules.api import Schedule, ScheduleError
from celeriac.schedules.loop import Loop
from celeriac.schedules.models import Policy, Tick
from celeriac.schedules.sync import sync_schedules
from tests.factories_schedules import PeriodicTaskFactory, schedule_of
from tests.integration.schedules.conftest import jobs, ticks

pytestmark = pytest.mark.django_db


def moment(text):
    """Return a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedules(*arguments):
    """Run the command and return its JSON."""
    out = io.StringIO()
    call_command("schedules", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_a_pause_that_no_beat_saw_is_skipped_at_the_resume(at, look):
    """Nothing of it is made up for, even under "run all"."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(cron="0 * * * *", policy={"misfire": "all"})
        operate.pause_schedule(task.pk, reason="migration", actor="ann")
    with at("2026-03-02 12:30"):
        operate.resume_schedule(task.pk, actor="ann")
        look()
    assert ticks(task, "skipped") == ["02 10:00", "02 11:00", "02 12:00"]
    assert not Job.objects.exists()
    assert list(Audit.objects.order_by("at").values_list("verb", "target_id")) == [
        ("schedule.pause", task.name),
        ("schedule.resume", task.name),
    ]


def test_a_pause_needs_a_reason_and_an_end_ahead():
    """Whoever finds it paused wants to know."""
    task = PeriodicTaskFactory()
    with pytest.raises(ScheduleError, match="Say why"):
        operate.pause_schedule(task.pk, reason=" ", actor="ann")
    with pytest.raises(ScheduleError, match="is past"):
        operate.pause_schedule(task.pk, reason="x", actor="ann", until=moment("2020-01-01"))


def test_run_now_makes_an_extra_tick(at, look):
    """Even while disabled; the schedule's own ticks stay as they are."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(enabled=False)
        tick = operate.run_schedule_now(task.pk, actor="ann", reason="try")
    assert (tick.status, tick.source, tick.reason) == ("fired", "run by ann", "run by ann: try")
    assert jobs(task).get().pk == tick.job


def test_a_one_off_that_was_run_by_hand_fires_at_its_time_all_the_same(at, look):
    """A try of next week's run is not next week's run."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(cron="0 12 * * *", one_off=True)
        operate.run_schedule_now(task.pk, actor="ann")
        assert PeriodicTask.objects.get(pk=task.pk).enabled
    with at("2026-03-02 12:00:01"):
        look()
    assert ticks(task) == ["02 09:59", "02 12:00"]
    assert not PeriodicTask.objects.get(pk=task.pk).enabled


def test_a_backfill_runs_what_did_not_run(at, look):
    """Missed and skipped ticks get their job, fired ones are left alone, and once is enough."""
    with at("2026-03-02 09:30"):
        task = PeriodicTaskFactory(cron="0 * * * *", policy={"misfire": "skip"})
    with at("2026-03-02 12:00:10"):
        look()
        made = operate.backfill_schedule(
            task.pk, start=moment("2026-03-02 08:00"), end=moment("2026-03-02 12:00"), actor="ann"
        )
        again = operate.backfill_schedule(
            task.pk, start=moment("2026-03-02 08:00"), end=moment("2026-03-02 12:00"), actor="ann"
        )
    assert [f"{tick.scheduled_for:%H}" for tick in made] == ["08", "09", "10", "11"]
    assert again == []
    assert set(Tick.objects.values_list("status", flat=True)) == {"fired"}
    assert jobs(task).count() == 5
    assert Audit.objects.filter(verb="schedule.backfill", count=4).exists()


def test_a_backfill_reaches_behind_an_intervals_anchor(at):
    """The grid goes on into the past."""
    with at("2026-03-02 12:00"):
        task = PeriodicTaskFactory(every=timedelta(hours=1))
        made = operate.backfill_schedule(
            task.pk, start=moment("2026-03-02 08:00"), end=moment("2026-03-02 11:00"), actor="ann"
        )
    assert len(made) == 3


def test_a_backfill_is_bounded_and_past(at):
    """A slip of the year must not make a million jobs."""
    with at("2026-03-02 12:00"):
        task = PeriodicTaskFactory(cron="* * * * *")
        with pytest.raises(ScheduleError, match="More than 1000"):
            operate.backfill_schedule(
                task.pk, start=moment("2025-03-02"), end=moment("2026-03-02"), actor="ann"
            )
        with pytest.raises(ScheduleError, match="ahead"):
            operate.backfill_schedule(
                task.pk, start=moment("2026-03-02"), end=moment("2026-03-03"), actor="ann"
            )


def test_the_command_shows_and_steers(at):
    """Every verb, as a script calls it."""
    with at("2026-03-29 00:30"):
        PeriodicTaskFactory(name="daily", cron="30 2 * * *", zone="Europe/Berlin")
        coming = schedules("next", "daily", "--count", "2")
        assert [row["fires_at"] for row in coming] == [
            "2026-03-29T03:00:00+02:00",
            "2026-03-30T02:30:00+02:00",
        ]
        assert schedules("next")[0]["name"] == "daily"
        paused = schedules("pause", "daily", "--reason", "x", "--for", "60")
        assert paused[0]["state"] == "paused"
        assert schedules("resume", "daily")[0]["state"] == "enabled"
        assert schedules("run", "daily")[0]["status"] == "fired"
        filled = schedules("backfill", "daily", "2026-03-27", "2026-03-29")
        assert [row["scheduled_for"] for row in filled] == [
            "2026-03-27T01:30:00+00:00",
            "2026-03-28T01:30:00+00:00",
        ]
        (row,) = schedules("list")
        assert (row["last_status"], row["zone"]) == ("fired", "Europe/Berlin")


def test_next_fires_are_those_that_fire(at, look):
    """What is shown is what happens."""
    with at("2026-03-02 09:59:30"):
        task = PeriodicTaskFactory(every=timedelta(minutes=7), policy={"misfire": "all"})
        shown = selectors.next_fires(task, count=3)
    with at("2026-03-02 10:21"):
        look()
    assert [tick.scheduled_for for tick in reversed(selectors.ticks_of(task))] == shown


@pytest.fixture
def declared():
    """Return a function that declares a kind with a schedule; it is taken back afterwards."""

    def handler(name: str = ""):
        return name

    def declare(schedule):
        registry.forget_kind("test.declared")
        if schedule is not None:
            registry.declare_kind(
                registry.Kind(
                    name="test.declared",
                    handler=handler,
                    schema=Schema.of(handler),
                    schedule=schedule,
                )
            )

    yield declare
    registry.forget_kind("test.declared")


def test_a_declared_schedule_comes_goes_and_comes_back(declared):
    """Removed, it is disabled and kept; declared again, it is enabled again."""
    declared(Schedule(crontab(minute="5"), zone="Asia/Tokyo", misfire="all"))
    assert {change.name: change.done for change in sync_schedules()}["test.declared"] == "created"
    task = PeriodicTask.objects.get(name="test.declared")
    assert (str(task.crontab.timezone), task.policy.misfire) == ("Asia/Tokyo", "all")
    assert {change.done for change in sync_schedules()} == {"unchanged"}
    declared(None)
    assert ("test.declared", "disabled") in {
        (change.name, change.done) for change in sync_schedules()
    }
    assert not PeriodicTask.objects.get(pk=task.pk).enabled
    declared(crontab(minute="5"))
    sync_schedules()
    assert PeriodicTask.objects.get(pk=task.pk).enabled


def test_a_renamed_kind_keeps_its_schedule(declared):
    """The old name is an alias: what an operator changed stays, and no second one fires."""

    def handler(name: str = ""):
        return name

    declared(Schedule(crontab(minute="5"), misfire="all"))
    sync_schedules()
    old = PeriodicTask.objects.get(name="test.declared")
    Policy.objects.filter(pk=old.pk).update(misfire="skip")
    declared(None)
    registry.declare_kind(
        registry.Kind(
            name="test.moved",
            handler=handler,
            schema=Schema.of(handler),
            aliases=("test.declared",),
            schedule=Schedule(crontab(minute="5"), misfire="all"),
        )
    )
    try:
        sync_schedules()
        task = PeriodicTask.objects.get(pk=old.pk)
        assert (task.name, task.task, task.enabled) == ("test.moved", "test.moved", True)
        assert task.policy.misfire == "skip"
        assert not PeriodicTask.objects.filter(name="test.declared").exists()
    finally:
        registry.forget_kind("test.moved")


def test_sync_follows_the_code_but_not_over_an_operator(declared):
    """Each field by itself."""
    declared(Schedule(crontab(minute="5"), misfire="all"))
    sync_schedules()
    task = PeriodicTask.objects.get(name="test.declared")
    PeriodicTask.objects.filter(pk=task.pk).update(crontab=schedule_of(cron="7 * * * *")["crontab"])
    declared(Schedule(crontab(minute="9"), misfire="skip"))
    change = next(change for change in sync_schedules() if change.name == "test.declared")
    task = PeriodicTask.objects.get(pk=task.pk)
    assert (change.fields, change.kept) == (("misfire",), ("when",))
    assert (task.crontab.minute, task.policy.misfire) == ("7", "skip")


def test_an_operators_disabling_survives_a_sync(declared):
    """Whether it runs is not for the code to say."""
    declared(timedelta(minutes=5))
    sync_schedules()
    PeriodicTask.objects.filter(name="test.declared").update(enabled=False)
    sync_schedules()
    assert not PeriodicTask.objects.get(name="test.declared").enabled


def test_entries_of_beats_own_setting_are_declarations_too(settings):
    """Projects that move here bring them along."""
    settings.CELERY_BEAT_SCHEDULE = {
        "mine": {"task": "test.note", "schedule": 30.0, "kwargs": {"name": "x"},
                 "options": {"expires": 20, "queue": "default"}},
    }  # fmt: skip
    sync_schedules()
    task = PeriodicTask.objects.get(name="mine")
    assert (task.interval.every, task.expire_seconds, task.queue) == (30, 20, "default")


START, END = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
NOTE = {"task": "test.note", "schedule": 30.0, "kwargs": {"name": "x"}}


@pytest.mark.parametrize(
    ("extra", "values"),
    [
        ({"enabled": False}, {"enabled": False}),
        ({"one_off": True}, {"one_off": True}),
        ({"start_time": START, "expires": END}, {"start_time": START, "expires": END}),
        ({"start_time": datetime(2030, 1, 1)}, {"start_time": START}),
        ({"description": "Why."}, {"description": "Why."}),
        ({"kwargs": {}, "args": ("x",)}, {"args": '["x"]'}),
        ({"options": {"expires": timedelta(minutes=2)}}, {"expire_seconds": 120}),
        ({"options": {"expires": 0.5}}, {"expire_seconds": 1}),
        ({"options": {"expire_seconds": 7, "priority": 3}}, {"expire_seconds": 7, "priority": 3}),
        ({"options": {"countdown": 0, "link": [], "serializer": "json", "retry": True}}, {}),
        ({"relative": False}, {}),
        ({"schedule": timedelta(minutes=1)}, {"interval__every": 60}),
        ({"schedule": solar("sunset", 48.2, 16.37)}, {"solar__event": "sunset"}),
        ({"schedule": clocked(START)}, {"clocked__clocked_time": START, "one_off": True}),
    ],
)
def test_each_key_of_an_entry_is_honoured(settings, extra, values):
    """What django-celery-beat takes, and it stays so when nothing changes."""
    settings.CELERY_BEAT_SCHEDULE = {"mine": {**NOTE, **extra}}
    assert ("mine", "created") in {(change.name, change.done) for change in sync_schedules()}
    assert PeriodicTask.objects.filter(name="mine", **values).exists()
    again = next(change for change in sync_schedules() if change.name == "mine")
    assert (again.done, again.kept) == ("unchanged", ())


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"options": {"countdown": 5}}, "options.countdown can't be honoured: shift the schedule"),
        ({"options": {"link": ["x"]}}, "options.link can't be honoured"),
        ({"options": {"expires": START}}, "the entry's own expires"),
        ({"options": {"expires": timedelta(0)}}, "a span above 0"),
        ({"options": {"exchange": "x"}}, "means nothing to 'test.note', a job"),
        ({"options": {"quue": "default"}}, "did you mean 'queue'?"),
        ({"options": {"queue": "nowhere"}}, "nowhere"),
        ({"options": {"priority": 1000}}, "above 100"),
        ({"options": 5}, "options must be a mapping"),
        ({"relative": True}, "relative can't be honoured"),
        ({"last_run_at": START}, "last_run_at can't be honoured: beat keeps it"),
        ({"enabledd": True}, "did you mean 'enabled'?"),
        ({"expires": 20}, "seconds belong into options"),
        ({"start_time": "2030-01-01"}, "start_time is a datetime"),
        ({"start_time": datetime(9000, 1, 1, tzinfo=UTC)}, "outside the years"),
        ({"task": "test.ntoe"}, "did you mean 'test.note'?"),
        ({"task": None}, "task is missing"),
        ({"kwargs": {"nmae": "x"}}, "did you mean 'name'?"),
        ({"kwargs": {"name": START}}, "arguments are kept as JSON"),
        ({"args": "x"}, "args must be a list"),
        ({"schedule": "daily"}, "a schedule is a crontab"),
        ({"schedule": -5}, "a schedule is a crontab"),
        ({"options": {"priority": -1}}, "priority"),
        ({"options": {"priority": "high"}}, "priority"),
        ({"options": {"expires": 10**12}}, "expire_seconds"),
        ({"options": {"expires": 5, "expire_seconds": 9}}, "expire_seconds"),
        ({"enabled": "no"}, "enabled"),
        ({"enbled": False}, "did you mean 'enabled'"),
        ({"description": "a\x00b"}, "NUL"),
        ({"start_time": datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))}, "start_time"),
        ({"schedule": every(30, relative=True)}, "relative"),
    ],
)
def test_a_bad_entry_is_named_and_the_others_are_written(settings, extra, words):
    """Its own row stays as it was."""
    settings.CELERY_BEAT_SCHEDULE = {"bad": NOTE}
    sync_schedules()
    settings.CELERY_BEAT_SCHEDULE = {"bad": {**NOTE, **extra}, "good": NOTE, "worse": 5}
    changes = {change.name: change for change in sync_schedules()}
    assert (changes["bad"].done, changes["good"].done) == ("refused", "created")
    assert changes["bad"].error.startswith("bad: ")
    assert words in changes["bad"].error
    assert "a mapping" in changes["worse"].error
    assert PeriodicTask.objects.get(name="bad").enabled
    assert PeriodicTask.objects.get(name="bad").task == "test.note"


@pytest.mark.parametrize("name", ["x" * 201, "", 5, None, "a\x00", "half \ud800"])
def test_an_entry_of_an_impossible_name_stops_no_other(settings, name):
    """The name is refused, and shown so that any terminal can print it."""
    settings.CELERY_BEAT_SCHEDULE = {name: NOTE, "good": NOTE}
    done = {change.name: change.done for change in sync_schedules()}
    assert done.pop("good") == "created"
    assert "refused" in done.values()


def test_the_command_names_what_it_refused_and_fails(settings):
    """After it has shown what became of the others."""
    settings.CELERY_BEAT_SCHEDULE = {"bad": {**NOTE, "task": "nothing"}, "good": NOTE}
    shown = io.StringIO()
    with pytest.raises(CommandError, match="Refused, and left as they were: bad"):
        call_command("schedules", "sync", stdout=shown)
    assert "nothing of the name 'nothing' is declared" in shown.getvalue()
    assert PeriodicTask.objects.filter(name="good").exists()


def test_a_beat_names_what_was_refused_and_fires_the_rest(settings, caplog):
    """Once, as it starts."""
    settings.CELERY_BEAT_SCHEDULE = {"bad": {**NOTE, "task": "nothing"}, "good": NOTE}
    Loop().turn()
    assert "a declared schedule was refused: bad: task: nothing of the name" in caplog.text
    assert PeriodicTask.objects.filter(name="good").exists()


def test_an_entry_that_is_enabled_again_is(settings):
    """Unless a person decided otherwise meanwhile."""
    settings.CELERY_BEAT_SCHEDULE = {"mine": {**NOTE, "enabled": False}}
    sync_schedules()
    settings.CELERY_BEAT_SCHEDULE = {"mine": NOTE}
    sync_schedules()
    assert PeriodicTask.objects.get(name="mine").enabled
    settings.CELERY_BEAT_SCHEDULE = {}
    sync_schedules()
    settings.CELERY_BEAT_SCHEDULE = {"mine": {**NOTE, "enabled": False}}
    sync_schedules()
    assert not PeriodicTask.objects.get(name="mine").enabled


def test_the_house_is_kept_by_schedules():
    """Pruning and reconciliation are declared beside their jobs."""
    sync_schedules()
    names = set(PeriodicTask.objects.values_list("name", flat=True))
    assert {"maintenance.prune", "payments.reconcile", "payments.sweep"} <= names
    assert not [one for one in selectors.schedule_statuses() if one.fault]


def test_old_ticks_are_forgotten_and_do_not_come_back(at, look):
    """Their times lie before the cursor."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(cron="0 * * * *")
    with at("2026-03-02 10:00:01"):
        look()
    with at("2026-07-02 10:00:01"):
        assert clean_up_rows() == {"celeriac_schedules.Tick": 1}
    with at("2026-03-02 10:00:30"):
        look()
    assert ticks(task) == []
    assert Policy.objects.get(pk=task.pk).cursor > moment("2026-03-02 10:00")
