"""Schedules, as somebody uses them who has never seen the page, in real Chromium."""

import os
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission

from celeriac.core.models import Audit
from celeriac.jobs.models import Job
from celeriac.schedules.models import Policy, Tick
from tests.factories import UserFactory
from tests.factories_schedules import PeriodicTaskFactory

LIST = "/admin/django_celery_beat/periodictask/"
#: Where pictures go, for people who want to look at the pages.
SHOTS = os.environ.get("SCREENSHOTS")


def shot(page, name):
    """Keep a picture of the page as it is, where somebody asked for one."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"schedules-{name}.png", full_page=True)


def fires(page):
    """Return the element that shows the next fire times."""
    return page.locator("#schedule-preview")


def submit(page, verb, **fields):
    """Open a verb's dialog, fill it in and send it."""
    page.get_by_role("link", name=verb, exact=True).first.click()
    page.locator("#dialog textarea[name=reason]").wait_for()
    for name, value in fields.items():
        page.fill(f"#dialog [name={name}]", value)
    shot(page, verb.lower().replace(" ", "-"))
    page.locator("#dialog").get_by_role("button", name=verb).click()


def test_a_schedule_is_made_understood_paused_and_backfilled(signed_in):
    """From the list to what became of yesterday's ticks, without a manual."""
    page = signed_in
    page.goto(LIST)
    page.locator("a[href$='/periodictask/add/']").first.click()
    page.fill("[name=name]", "nightly report")
    page.select_option("[name=task]", "test.note")
    page.locator("#schedule-arguments", has_text="name: is missing").wait_for()
    page.fill("[name=kwargs]", '{"name": "x"}')
    page.fill("[name=reason]", "needed")
    page.fill("[name=cron]", "0 25 * * *")
    fires(page).get_by_text("25 is outside 0 to 23").wait_for()
    page.fill("[name=cron]", "0 * * * *")
    fires(page).get_by_text("UTC").first.wait_for()
    page.select_option("[name=zone]", "Asia/Tokyo")
    fires(page).get_by_text("JST").first.wait_for()
    assert fires(page).locator("li").count() == 10
    shot(page, "add")
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_text("was added successfully").wait_for()
    assert Policy.objects.get().next_fire_at is not None

    submit(page, "Pause", reason="migration")
    page.get_by_text("Paused.", exact=True).wait_for()
    fires(page).get_by_text("until somebody resumes it").wait_for()
    submit(page, "Backfill")
    page.get_by_text("24 jobs were enqueued").wait_for()
    assert Job.objects.count() == Tick.objects.filter(status="fired").count() == 24
    page.get_by_text("ticks (latest 50)").first.click()
    page.locator("td", has_text="23:00:00 JST").first.wait_for()
    shot(page, "ticks")
    submit(page, "Backfill")
    page.get_by_text("Nothing to run").wait_for()
    page.goto(LIST)
    page.get_by_text("paused", exact=True).first.wait_for()
    shot(page, "list")
    verbs = Audit.objects.filter(verb__startswith="schedule.").values_list("verb", flat=True)
    assert set(verbs) == {
        "schedule.create", "schedule.pause", "schedule.backfill"
    }  # fmt: skip


def test_an_edit_of_one_schedule_leaves_others_alone(signed_in):
    """Both had the same crontab's row; what is typed is previewed before it is saved."""
    task, other = (PeriodicTaskFactory(cron="30 2 * * *", zone="Europe/Berlin") for _ in range(2))
    page = signed_in
    page.goto(f"{LIST}{task.pk}/change/")
    fires(page).get_by_text("02:30:00 CE").first.wait_for()
    page.fill("[name=cron]", "45 3 * * mon")
    fires(page).get_by_text(re.compile("^Mon .* 03:45:00 CE")).first.wait_for()
    page.get_by_label("Reason").fill("the bank moved")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("was changed successfully").wait_for()
    task.refresh_from_db()
    other.refresh_from_db()
    assert (task.crontab.minute, other.crontab.minute) == ("45", "30")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_phone(signed_in, scheme):
    """Nothing is wider than the screen, in daylight and at night."""
    task = PeriodicTaskFactory(cron="30 2 * * *", zone="America/Argentina/ComodRivadavia")
    page = signed_in
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)
    for name, path in {
        "list": LIST,
        "add": f"{LIST}add/",
        "edit": f"{LIST}{task.pk}/change/",
    }.items():
        page.goto(path)
        if name != "list":
            fires(page).locator("li").first.wait_for()
        shot(page, f"phone-{name}-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name


def test_who_may_only_look_sees_when_and_by_which_policy(page, people):
    """In words, with the next fires, and without a verb to click."""
    user = UserFactory(is_staff=True, email="viewer@example.com")
    user.set_password("viewer-password")
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename="view_periodictask"))
    task = PeriodicTaskFactory(
        cron="30 2 * * *", zone="Europe/Berlin", policy={"misfire": "all", "overlap": "wait"}
    )
    page.goto(f"/admin/login/?next={LIST}{task.pk}/change/")
    page.fill("input[name=username]", user.email)
    page.fill("input[name=password]", "viewer-password")
    page.click("button[type=submit]")
    fires(page).get_by_text("02:30:00 CE").first.wait_for()
    page.get_by_text("30 2 * * * Europe/Berlin").first.wait_for()
    page.get_by_text("run each, up to a limit of 100").wait_for()
    shot(page, "viewer")
    for verb in ("Pause", "Resume", "Run now", "Backfill", "Save"):
        assert page.get_by_role("link", name=verb, exact=True).count() == 0
