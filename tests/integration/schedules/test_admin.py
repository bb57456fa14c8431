import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from celeriac.core.models import Audit
from celeriac.jobs.models import Job
from celeriac.schedules.models import Policy, Tick
from tests.factories import UserFactory
from tests.factories_schedules import PeriodicTaskFactory

pytestmark = pytest.mark.django_db

LIST = "admin:django_celery_beat_periodictask_changelist"
ADD = "admin:django_celery_beat_periodictask_add"


@pytest.fixture
def browser(client):
    """Return a client in which an administrator is signed in."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def form(**changes):
    """Return what the add form posts."""
    empty = ("cron", "every", "at_0", "at_1", "solar", "queue", "priority", "deadline",
             "start_time_0", "start_time_1", "expires_0", "expires_1", "expire_seconds",
             "description")  # fmt: skip
    values = dict.fromkeys(empty, "") | {
        "name": "nightly",
        "task": "test.note",
        "kwargs": '{"name": "x"}',
        "args": "[]",
        "enabled": "on",
        "zone": "UTC",
        "period": "minutes",
        "misfire": "all",
        "misfire_grace": "60",
        "misfire_limit": "10",
        "overlap": "skip",
        "jitter": "0",
        "reason": "as told",
        "ticks-TOTAL_FORMS": "0",
        "ticks-INITIAL_FORMS": "0",
    }
    return values | changes


def change_url(task):
    """Return a schedule's page."""
    return reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])


def act(browser, task, verb, **values):
    """Fill a dialog in and send it."""
    url = reverse(f"admin:django_celery_beat_periodictask_{verb}", args=[task.pk])
    return browser.post(url, {"_form_submitted": "True", **values}, follow=True)


def test_a_schedule_is_made_with_its_policy(browser):
    """One form, two rows, one audit entry."""
    answer = browser.post(reverse(ADD), form(cron="30 2 * * *", zone="Europe/Berlin"))
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    policy = Policy.objects.get(periodic_task__name="nightly")
    assert (policy.misfire, policy.misfire_limit, policy.overlap) == ("all", 10, "skip")
    assert policy.next_fire_at is not None
    assert Audit.objects.get().verb == "schedule.create"


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"kwargs": '{"nam": "x"}'}, "kwargs", "did you mean"),
        ({"kwargs": "{"}, "kwargs", "is no JSON"),
        ({"task": "test.nope"}, "task", "test.nope"),
        ({"queue": "nope"}, "queue", "nope"),
        ({"priority": "200"}, "priority", "above 100"),
        ({"jitter": "60", "deadline": "30"}, "jitter", "shorter than the deadline"),
        ({"cron": ""}, "cron", "Say when"),
        ({"cron": "30 25 * * *"}, "cron", "25 is outside 0 to 23"),
        ({"cron": "30 2 * *"}, "cron", "five fields"),
        ({"cron": "30 2 30 2 *"}, "cron", "no month"),
        ({"every": "5"}, "every", "one way to say when"),
        ({"cron": "", "every": "2000000000", "period": "days"}, "every", "longer than"),
        ({"zone": "Mars/Olympus"}, "zone", "valid choice"),
        ({"start_time_0": "9999-12-31", "start_time_1": "00:00"}, "start_time", "outside"),
    ],
)
def test_a_mistake_is_told_at_its_field(browser, changes, field, said):
    """And nothing is saved."""
    answer = browser.post(reverse(ADD), form(**{"cron": "30 2 * * *"} | changes))
    errors = answer.context["adminform"].form.errors
    assert said in " ".join(errors[field])
    assert not PeriodicTask.objects.exists()


def test_the_form_shows_the_next_ten_fires_as_it_is_edited(browser, at):
    """In the schedule's own zone, with the kind's arguments."""
    typed = form(cron="30 2 * * *", zone="Europe/Berlin", name="", kwargs="{}")
    with at("2026-03-28 12:00"):
        answer = browser.post(reverse("admin:schedules_preview"), typed)
    shown = json.loads(answer.content)
    assert shown["fires"][:2] == ["Sun 2026-03-29 03:00:00 CEST", "Mon 2026-03-30 02:30:00 CEST"]
    assert len(shown["fires"]) == 10
    assert shown["errors"] == []
    assert shown["arguments"][0] == "name: string, required"
    assert "name" in shown["refusals"][0]
    assert not CrontabSchedule.objects.exists()


def test_the_pages_show_schedules_and_their_ticks(browser, at, look, django_assert_max_num_queries):
    """A list of fifty costs no more queries than a list of one."""
    with at("2026-03-02 09:59"):
        tasks = [PeriodicTaskFactory(cron="0 * * * *") for _ in range(50)]
    with at("2026-03-02 10:00:01"):
        look()
    with django_assert_max_num_queries(70):
        page = browser.get(reverse(LIST)).content.decode()
    assert "2026-03-02 10:00:00 UTC fired" in page
    page = browser.get(change_url(tasks[0])).content.decode()
    assert "schedule-preview" in page
    assert str(Tick.objects.get(periodic_task=tasks[0]).job) in page
    for name in (
        "celeriac_schedules_tick",
        "celeriac_schedules_beat",
        "django_celery_beat_crontabschedule",
    ):
        assert browser.get(reverse(f"admin:{name}_changelist")).status_code == 200


def test_the_list_of_ticks_reads_no_schedule_one_by_one(
    browser, at, look, django_assert_max_num_queries
):
    """Their names and zones come along."""
    with at("2026-03-02 09:59"):
        for _ in range(40):
            PeriodicTaskFactory(cron="0 * * * *", zone="Asia/Tokyo")
    with at("2026-03-02 10:00:01"):
        look()
    with django_assert_max_num_queries(20):
        page = browser.get(reverse("admin:celeriac_schedules_tick_changelist")).content.decode()
    assert page.count("Mon 2026-03-02 19:00:00 JST") == 40


def test_an_interval_saved_unchanged_keeps_its_anchor(browser):
    """420 seconds are shown as 7 minutes: the row that says so in seconds stays."""
    task = PeriodicTaskFactory(every=timedelta(minutes=7))
    Policy.objects.filter(pk=task.pk).update(anchor=datetime(2026, 1, 1, tzinfo=UTC))
    page = browser.get(change_url(task))
    shown = page.context["adminform"].form.initial
    assert (shown["every"], shown["period"]) == (7, "minutes")
    typed = form(name=task.name, every="7", period="minutes", kwargs=task.kwargs)
    assert browser.post(change_url(task), typed).status_code == 302
    task.refresh_from_db()
    assert (task.interval.every, task.interval.period) == (420, "seconds")
    assert Policy.objects.get(pk=task.pk).anchor.year == 2026
    assert Policy.objects.get(pk=task.pk).anchor.month == 1
    browser.post(change_url(task), typed | {"every": "8"})
    assert Policy.objects.get(pk=task.pk).anchor > datetime(2026, 6, 1, tzinfo=UTC)
    assert not IntervalSchedule.objects.filter(every=7).exists()


def test_of_two_operators_the_second_is_told(browser):
    """Her page is older than what his left: saved, it would undo that."""
    task = PeriodicTaskFactory(cron="0 * * * *")
    seen = browser.get(change_url(task)).context["adminform"].form.initial["seen"]
    typed = form(name=task.name, cron="0 * * * *", kwargs=task.kwargs, seen=seen)
    assert browser.post(change_url(task), typed | {"cron": "30 * * * *"}).status_code == 302
    answer = browser.post(change_url(task), typed | {"description": "hers"})
    assert "Somebody saved this schedule" in str(answer.context["adminform"].form.errors)
    task.refresh_from_db()
    assert (task.crontab.minute, task.description) == ("30", "")


def test_beat_is_no_second_operator(browser, at, look):
    """It counts runs; a page that was opened before may still be saved."""
    with at("2026-03-02 09:59"):
        task = PeriodicTaskFactory(cron="0 * * * *")
    seen = browser.get(change_url(task)).context["adminform"].form.initial["seen"]
    with at("2026-03-02 10:00:01"):
        look()
        typed = form(name=task.name, cron="0 * * * *", kwargs=task.kwargs, seen=seen)
        assert browser.post(change_url(task), typed).status_code == 302
    task.refresh_from_db()
    assert task.total_run_count == 1


@pytest.mark.parametrize(
    ("codename", "opens"),
    [("view_periodictask", True), ("view_tick", False), ("view_crontabschedule", False)],
)
def test_pages_open_for_those_who_may_see_them(client, codename, opens):
    """And none of them lets a viewer write."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename=codename))
    client.force_login(user)
    task = PeriodicTaskFactory(cron="0 * * * *")
    status = 200 if opens else 403
    assert client.get(reverse(LIST)).status_code == status
    assert client.get(change_url(task)).status_code == status
    posted = client.post(reverse("admin:schedules_preview"), form(_task=str(task.pk)))
    assert posted.status_code == status
    assert client.post(change_url(task), form(name="mine")).status_code == 403
    assert client.post(reverse(ADD), form()).status_code == 403
    assert client.post(reverse("admin:schedules_preview"), form()).status_code == 403
    assert not PeriodicTask.objects.filter(name="mine").exists()


def test_a_moment_makes_a_one_off(browser):
    """Nobody has to know that it must."""
    typed = form(at_0="2030-01-31", at_1="09:00:00")
    answer = browser.post(reverse(ADD), typed)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    task = PeriodicTask.objects.get()
    assert task.one_off
    assert task.policy.next_fire_at == datetime(2030, 1, 31, 9, tzinfo=UTC)


def test_equal_times_share_a_row(browser):
    """A hundred schedules at midnight are one crontab."""
    for name in ("a", "b"):
        browser.post(reverse(ADD), form(name=name, cron="0 0 * * *"))
    assert PeriodicTask.objects.count() == 2
    assert CrontabSchedule.objects.count() == 1


def test_a_schedule_is_paused_resumed_run_and_backfilled(browser, at):
    """Each verb with its reason, in the audit trail."""
    with at("2026-03-02 12:00"):
        task = PeriodicTaskFactory(cron="0 * * * *", zone="Asia/Tokyo")
        act(browser, task, "pause", reason="migration", minutes="5")
        assert Policy.objects.get(pk=task.pk).pause_reason == "migration"
        act(browser, task, "resume", reason="")
        assert Policy.objects.get(pk=task.pk).paused_at is None
        act(browser, task, "run_now", reason="")
        assert Job.objects.count() == 1
        act(browser, task, "backfill", reason="", start_0="2026-03-01", start_1="00:00:00",
            end_0="2026-03-02", end_1="00:00:00")  # fmt: skip
    assert Job.objects.count() == 25
    earliest = Tick.objects.order_by("scheduled_for").first()
    assert earliest.scheduled_for == datetime(2026, 2, 28, 15, tzinfo=UTC)
    assert set(Audit.objects.values_list("verb", flat=True)) == {
        f"schedule.{verb}" for verb in ("pause", "resume", "run", "backfill")
    }


def test_each_verb_has_a_permission_of_its_own(client):
    """Who may look may not pause."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_periodictask"))
    client.force_login(user)
    task = PeriodicTaskFactory()
    for verb in ("pause", "resume", "run_now", "backfill"):
        assert act(client, task, verb, reason="x").status_code == 403
    assert not Job.objects.exists()


def test_a_shared_time_that_is_deleted_takes_its_schedules_into_the_trail(browser):
    """They go with it, and nothing else would say so."""
    tasks = [PeriodicTaskFactory(name=name, cron="5 4 * * *") for name in ("a", "b")]
    url = reverse("admin:django_celery_beat_crontabschedule_delete", args=[tasks[0].crontab_id])
    assert browser.post(url, {"post": "yes", "reason": "moved"}).status_code == 302
    assert not PeriodicTask.objects.exists()
    entry = Audit.objects.get(verb="crontabschedule.delete")
    assert entry.details["schedules"] == ["a", "b"]
    assert (entry.reason, entry.details["old"]["minute"]) == ("moved", "5")


def test_an_edit_asks_why_and_keeps_what_was_and_what_is(browser):
    """Of what it runs, when, and by which policy; only what has changed."""
    task = PeriodicTaskFactory(cron="0 * * * *", policy={"misfire": "all", "overlap": "skip"})
    typed = form(name=task.name, cron="30 * * * *", kwargs=task.kwargs, misfire_grace="5")
    answer = browser.post(change_url(task), typed | {"reason": " "})
    assert "reason" in answer.context["adminform"].form.errors
    assert not Audit.objects.exists()
    assert browser.post(change_url(task), typed | {"reason": "the bank closes"}).status_code == 302
    entry = Audit.objects.get(verb="schedule.change", target_id=task.name)
    assert entry.reason == "the bank closes"
    old, new = entry.details["old"], entry.details["new"]
    assert (old["cron"], new["cron"]) == ("0 * * * *", "30 * * * *")
    assert (old["misfire_grace"], new["misfire_grace"]) == (60.0, 5.0)
    assert "name" not in old | new
    delete = reverse("admin:django_celery_beat_periodictask_delete", args=[task.pk])
    browser.post(delete, {"post": "yes", "reason": "no more"})
    entry = Audit.objects.get(verb="schedule.delete", target_id=task.name)
    assert (entry.reason, entry.details["old"]["cron"]) == ("no more", "30 * * * *")


def test_an_edit_of_a_shared_time_asks_why_too(browser):
    """Schedules change with it."""
    task = PeriodicTaskFactory(cron="5 4 * * *")
    url = reverse("admin:django_celery_beat_crontabschedule_change", args=[task.crontab_id])
    fields = ("hour", "day_of_week", "day_of_month", "month_of_year")
    data = dict.fromkeys(fields, "*") | {"minute": "9", "timezone": "UTC"}
    assert browser.post(url, data).status_code == 200
    assert browser.post(url, data | {"reason": "summer"}).status_code == 302
    entry = Audit.objects.get()
    assert (entry.reason, entry.details["schedules"]) == ("summer", [task.name])
    assert (entry.details["old"]["minute"], entry.details["new"]["minute"]) == ("5", "9")
