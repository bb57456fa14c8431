"""What people type and rows hold that nobody meant: refused by name, and no one else's trouble."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from celery.schedules import crontab
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse
from django_celery_beat.models import (
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from celeriac.core import clock
from celeriac.jobs import registry
from celeriac.jobs.models import Job
from celeriac.jobs.schema import Schema
from celeriac.schedules import operate
from celeriac.schedules.api import Schedule, ScheduleError, sync_schedules
from celeriac.schedules.fire import fire_due
from celeriac.schedules.loop import Loop
from celeriac.schedules.models import Policy, Tick
from celeriac.schedules.refresh import reconsider, refresh_schedules
from tests.factories import UserFactory
from tests.factories_schedules import PeriodicTaskFactory
from tests.integration.schedules.conftest import jobs, ticks

pytestmark = pytest.mark.django_db


def run(*arguments):
    """Run the command and return what it printed."""
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["next", "a", "--count", "-1"], "--count"),
        (["next", "a", "--count", "1000000000"], "--count"),
        (["pause", "a", "--reason", "x", "--for", "1e300"], "ten years"),
        (["pause", "a", "--reason", "x", "--for", "nan"], "ten years"),
        (["pause", "a", "--reason", "x", "--for", "inf"], "ten years"),
        (["pause", "a", "--reason", "x", "--for", "-5"], "ten years"),
        (["pause", "a", "--reason", "x", "--for", "soon"], "no number"),
        (["backfill", "a", "2026-01-01", "2026-13-01"], "is no date"),
        (["backfill", "a", "2026-01-01", "2026-01-02", "--limit", "0"], "--limit"),
        (["backfill", "a", "2026-01-01", "2026-01-02", "--limit", "99999999"], "50,000"),
    ],
)
def test_the_command_names_what_is_wrong(arguments, said):
    """As an error of the command line, not as a traceback."""
    PeriodicTaskFactory(name="a", cron="* * * * *")
    with pytest.raises(CommandError, match=said):
        run("schedules", *arguments)


@pytest.mark.parametrize("span", ["1e300", "inf", "nan", "0", "-1"])
@pytest.mark.parametrize("command", [["queues", "pause", "default"],
                                     ["breakers", "force", "payments", "open"]])  # fmt: skip
def test_a_span_beyond_the_calendar_is_refused_everywhere(command, span):
    """It overflowed."""
    with pytest.raises(CommandError, match="ten years"):
        run(*command, "--reason", "x", "--for", span)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("0001-01-01", "2026-01-01", "outside the years"),
        ("1900-01-01", "2026-01-01", "More than 1000 ticks"),
        ("2026-01-01", "9999-12-31", "outside the years"),
        ("2026-03-02", "2026-03-01", "is empty"),
    ],
)
@pytest.mark.parametrize("when", [{"cron": "*/5 * * * *", "zone": "Europe/Berlin"},
                                  {"every": timedelta(minutes=5)}])  # fmt: skip
def test_a_range_that_can_not_be_meant_is_refused(at, start, end, said, when):
    """At once, however wide it is, and nothing is written."""
    with at("2026-04-02 12:00"):
        PeriodicTaskFactory(name="a", **when)
        with pytest.raises(ScheduleError, match=said):
            run("schedules", "backfill", "a", start, end)
    assert not Tick.objects.exists()


def test_a_range_in_a_gap_of_the_clocks_is_empty(at):
    """Half past two does not exist that night: it is half past three, and so is the end."""
    with at("2026-04-02 12:00"):
        PeriodicTaskFactory(name="a", cron="*/5 * * * *", zone="Europe/Berlin")
        with pytest.raises(ScheduleError, match="is empty"):
            run("schedules", "backfill", "a", "2026-03-29T02:30", "2026-03-29T03:30")


def spoil(rows):
    """Let each of the tasks have something that can't be read or counted."""
    every, unit, text, ahead, sun, grace = rows
    days = IntervalSchedule.objects.create(every=2_000_000_000, period="days")
    PeriodicTask.objects.filter(pk=every.pk).update(interval=days)
    nights = IntervalSchedule.objects.create(every=5, period="fortnights")
    PeriodicTask.objects.filter(pk=unit.pk).update(interval=nights)
    CrontabSchedule.objects.filter(pk=text.crontab_id).update(minute="banana")
    end = datetime(9999, 12, 31, tzinfo=UTC)
    PeriodicTask.objects.filter(pk=ahead.pk).update(start_time=end)
    SolarSchedule.objects.filter(pk=sun.solar_id).update(event="teatime")
    Policy.objects.filter(pk=grace.pk).update(misfire_grace=1e300, misfire_limit=2_000_000_000)


def test_nonsense_in_a_row_stops_that_schedule_and_no_other(at, look):
    """Each says what is wrong with it, and the list of schedules still opens."""
    with at("2026-03-02 09:59"):
        made = [{}, {}, {"cron": "0 1 * * *"}, {}, {"sun": ("sunrise", "50", "8")}, {}]
        rows = [PeriodicTaskFactory(**one) for one in made]
        good = PeriodicTaskFactory(cron="* * * * *")
        spoil(rows)
    with at("2026-03-02 10:00:01"):
        look()
        assert ticks(good, "fired") == ["02 10:00"]
        faults = [Policy.objects.get(pk=task.pk).fault for task in rows]
        assert [bool(fault) for fault in faults] == [True] * 5 + [False]
        assert "longer than a hundred years" in faults[0]
        assert "teatime" in faults[4]
        assert "banana" in run("schedules", "list")


def test_a_zone_that_this_machine_does_not_know_stops_only_its_schedule(at, look):
    """Before the first tick, or after; where it is known, the schedule goes on."""
    with at("2026-03-02 09:59"):
        good = PeriodicTaskFactory(cron="* * * * *")
        fresh, due = (PeriodicTaskFactory(cron="* * * * *", zone=f"Asia/{zone}")
                      for zone in ("Tokyo", "Seoul"))  # fmt: skip
        rename(fresh, "Mars/Olympus")
        refresh_schedules()
        rename(due, "Mars/Olympus")
        definition = Policy.objects.get(pk=fresh.pk).definition
        Policy.objects.filter(pk=due.pk).update(definition=definition)
    with at("2026-03-02 10:00:01"):
        look()
        assert ticks(good, "fired") == ["02 10:00"]
        for task in (fresh, due):
            assert "time zone" in Policy.objects.get(pk=task.pk).fault
        rename(fresh, "Asia/Tokyo")
        reconsider()
        refresh_schedules()
    assert Policy.objects.get(pk=fresh.pk).next_fire_at is not None


@pytest.mark.parametrize("taken_up", [True, False])
def test_a_zone_that_nobody_knows_can_be_seen_and_put_right(at, client, taken_up):
    """Every page and command that lists schedules comes up, and says which one is at fault."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(cron="* * * * *", zone="Asia/Tokyo")
        Tick.objects.create(periodic_task=task, scheduled_for=clock.db_now(), status="fired")
        rename(task, "Mars/Olympus")
        if taken_up:
            refresh_schedules()
        pages = [
            *(reverse(f"admin:django_celery_beat_{name}_changelist")
              for name in ("periodictask", "crontabschedule")),
            reverse("admin:celeriac_schedules_tick_changelist"),
            reverse("admin:index"),
            reverse("admin:django_celery_beat_periodictask_change", args=[task.pk]),
        ]  # fmt: skip
        for page in pages:
            assert client.get(page).status_code == 200, page
        assert ("time zone" in client.get(pages[0]).content.decode()) is taken_up
        assert "Mars/Olympus" in run("schedules", "list")
        form = client.get(pages[-1]).context["adminform"].form
        assert form["zone"].value() == "Mars/Olympus"
        zone = '<option value="Mars/Olympus" selected>'
        assert zone in client.get(pages[-1]).content.decode()


def test_a_zone_that_nobody_knows_is_never_written():
    """It is read as it stands, and no row gets another such one by way of our code."""
    with pytest.raises(ValidationError):
        CrontabSchedule.objects.create(timezone="Mars/Olympus")


def rename(task, zone):
    """Name a zone in the row, as another machine's newer zones may."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_celery_beat_crontabschedule SET timezone = %s WHERE id = %s",
            [zone, task.crontab_id],
        )


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (Schedule(crontab(minute="0"), zone="Mars/Olympus"), "no time zone"),
        (Schedule(60, misfire="never"), "misfire is one of"),
        (Schedule(60, overlap="perhaps"), "overlap is one of"),
        (Schedule(60, jitter=60.0, deadline=30.0), "jitter"),
        (Schedule(60, misfire_limit=0), "misfire_limit"),
        (Schedule(float("inf")), "a century"),
        (Schedule(0.001), "a tenth"),
    ],
)
def test_a_bad_declaration_is_named_and_beat_goes_on_without_it(at, schedule, said):
    """The command names it; a beat says so in its log and fires what there is."""

    def handler():
        pass

    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(cron="* * * * *")
    registry.declare_kind(
        registry.Kind(
            name="test.bad", handler=handler, schema=Schema.of(handler), schedule=schedule
        )
    )
    try:
        (refused,) = [change for change in sync_schedules() if change.done == "refused"]
        assert re.match(f"test.bad: .*{said}", refused.error)
        with at("2026-03-02 10:00:01"):
            Loop().turn()
    finally:
        registry.forget_kind("test.bad")
    assert ticks(task, "fired") == ["02 10:00"]


def test_what_text_can_not_hold_is_taken_out_of_a_reason(at):
    """A NUL reached PostgreSQL."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory()
        operate.pause_schedule(task.pk, reason="a\x00b", actor="ann")
        operate.run_schedule_now(task.pk, reason="a\x00b", actor="ann")
    assert Policy.objects.get(pk=task.pk).pause_reason == "ab"
    with pytest.raises(ScheduleError, match="Say why"):
        operate.pause_schedule(task.pk, reason="\x00", actor="ann")


@pytest.mark.parametrize(
    "kwargs",
    ['{"a\\u0000b": 1}', '{"n": ' + "[" * 100_000 + "]" * 100_000 + "}"],
    ids=["NUL", "deep"],
)
def test_arguments_that_can_not_even_be_shown_stop_no_other_schedule(at, look, kwargs):
    """Their ticks are skipped with a reason, like those of any other wrong row."""
    with at("2026-03-02 09:59"):
        good, bad = PeriodicTaskFactory(), PeriodicTaskFactory()
        PeriodicTask.objects.filter(pk=bad.pk).update(kwargs=kwargs)
    with at("2026-03-02 10:00:01"):
        look()
    assert ticks(good) == ["02 10:00"]
    assert "could not be called" in Tick.objects.get(periodic_task=bad).reason


def test_a_jitter_longer_than_the_interval_moves_starts_and_loses_none(at, look):
    """Later ticks may then start before earlier ones."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(cron="* * * * *", policy={"jitter": 600.0, "misfire": "all"})
    with at("2026-03-02 10:30:01"):
        look()
    made = {job.tick: job.run_at for job in jobs(task)}
    waits = [made[tick.pk] - tick.scheduled_for for tick in Tick.objects.all()]
    assert len(waits) == 31
    assert timedelta() <= min(waits) < max(waits) < timedelta(seconds=600)


def test_a_dead_job_holds_no_tick_back(at, look):
    """It has finished, however badly: neither skip nor wait wait for it."""
    with at("2026-03-02 09:59"):
        skip, wait = (PeriodicTaskFactory(cron="* * * * *", policy={"overlap": overlap})
                      for overlap in ("skip", "wait"))  # fmt: skip
    with at("2026-03-02 10:00:01"):
        look()
        moment = datetime(2026, 3, 2, 10, tzinfo=UTC)
        Job.objects.update(
            state="dead", started_at=moment, finished_at=moment, attempt=1, error="no luck"
        )
    with at("2026-03-02 10:01:01"):
        look()
    for task in (skip, wait):
        assert ticks(task, "fired") == ["02 10:00", "02 10:01"]


def test_a_kind_may_be_renamed_under_its_schedules(at, look):
    """The old name is an alias: the row goes on firing, and nothing calls it wrong."""

    def handler():
        pass

    kind = registry.Kind(
        name="test.new", handler=handler, schema=Schema.of(handler), aliases=("test.old",)
    )
    registry.declare_kind(kind)
    try:
        with at("2026-03-02 09:59"):
            task = PeriodicTaskFactory(task="test.old", kwargs="{}")
        with at("2026-03-02 10:00:01"):
            look()
        assert jobs(task).get().kind == "test.new"
    finally:
        registry.forget_kind("test.new")


def test_an_edited_policy_counts_for_ticks_that_wait(at, look):
    """Judged is by the policy of the moment at which somebody looks."""
    with at("2026-03-02 09:30"):
        task = PeriodicTaskFactory(cron="0 * * * *", policy={"misfire": "all"})
    Policy.objects.filter(pk=task.pk).update(misfire="skip")
    with at("2026-03-02 12:30"):
        look()
    assert ticks(task, "missed") == ["02 10:00", "02 11:00", "02 12:00"]


def test_a_pause_beyond_the_calendar_is_told_in_the_dialog(client):
    """It overflowed; ten years are enough."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    task = PeriodicTaskFactory()
    url = reverse("admin:django_celery_beat_periodictask_pause", args=[task.pk])
    values = {"_form_submitted": "True", "reason": "x", "minutes": "1e300"}
    assert client.post(url, values).status_code == 200
    assert Policy.objects.get(pk=task.pk).paused_at is None


def test_a_wide_downtime_of_a_fast_schedule_is_bounded(at):
    """Under "run all", a limit without bounds and a year of ten ticks a second."""
    with at("2026-03-02 09:59"):
        PeriodicTaskFactory(
            task="test.noop", kwargs="{}", every=timedelta(seconds=0.1),
            policy={"misfire": "all", "misfire_limit": 2_000_000_000},
        )  # fmt: skip
    with at("2027-03-02 09:59"):
        assert 10_000 <= fire_due().fired <= 11_000
