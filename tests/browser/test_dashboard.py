"""The dashboard in real Chromium: it lives, it rests when nobody looks, it can be read by all."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from playwright.sync_api import expect

from celeriac.core import clock
from celeriac.jobs.operating.dead import acknowledge_dead
from celeriac.monitoring.rollups import rolling
from tests.factories import JobFactory, UserFactory
from tests.integration.ops.dashboard.support import ended, failed, minute

#: Milliseconds: a refresh comes every five seconds.
SOON = 40_000
#: What the page may not be wider than, on a phone.
PHONE = {"width": 375, "height": 800}


@pytest.fixture
def history(people):
    """Write a few minutes of history."""
    at = minute(ago=3)
    ended(at, wait=3.0, run=1.0)
    failed(ended(at, state="dead"), at, outcome="dead", error_class="ValueError")
    JobFactory(run_at=clock.db_now() - timedelta(seconds=100))
    rolling.roll_up_minutes()


@pytest.fixture
def dashboard(history, signed_in):
    """Return the page, drawn, its clock in our hands."""
    signed_in.clock.install()
    signed_in.reload()
    drawn(signed_in)
    return signed_in


def later(page):
    """Let the time to the next refresh pass."""
    page.clock.fast_forward(6_000)


def drawn(page, times=1):
    """Wait until the page has shown so many refreshes."""
    page.wait_for_function(
        "times => Number(document.getElementById('dashboard')?.dataset.refreshes) >= times",
        arg=times,
        timeout=SOON,
    )


def tile(page, name):
    """Return the number under a name."""
    return page.locator(".tile", has_text=name).locator("dd").first


def test_nothing_old_stands_under_now_and_the_dead_ask_until_they_are_dealt_with(dashboard):
    """Legends name their moment, the tile goes by what somebody has still to do."""
    expect(dashboard.locator(".chart-when").first).to_have_text(re.compile(r"^latest, \d\d:\d\d$"))
    dead_letters = dashboard.locator(".tile", has_text="Dead letters")
    expect(dead_letters).to_have_class(re.compile("danger"))
    expect(dashboard.locator("[data-part=attention]")).to_contain_text("1 job died since")
    acknowledge_dead(actor="ann", reason="known")
    later(dashboard)
    expect(dead_letters).to_contain_text("all dealt with", timeout=SOON)
    expect(dead_letters).not_to_have_class(re.compile("danger"))
    expect(dashboard.locator("[data-part=attention]")).not_to_contain_text("died since")


def test_it_shows_what_happens_without_a_reload(dashboard):
    """Jobs that come, a queue that is paused, a minute that is over."""
    expect(tile(dashboard, "Waiting")).to_have_text("1")
    dashboard.evaluate("window.stays = true")
    JobFactory.create_batch(4)
    later(dashboard)
    expect(tile(dashboard, "Waiting")).to_have_text("5", timeout=SOON)
    ended(minute(ago=1), state="dead")
    with clock.offset_clock(timedelta(minutes=1)):
        rolling.roll_up_minutes()
    later(dashboard)
    expect(tile(dashboard, "Dead letters")).to_have_text("2", timeout=SOON)
    assert dashboard.evaluate("window.stays")


def test_it_asks_nothing_while_it_is_hidden_or_held(dashboard):
    """And at once when somebody looks again."""
    asked = []
    dashboard.on("request", lambda request: asked.append(request.url))
    redact = """hidden => {
        Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    dashboard.evaluate(redact, True)
    expect(dashboard.locator("[data-status]")).to_have_text("Paused while hidden")
    asked.clear()
    JobFactory()
    dashboard.clock.fast_forward(120_000)
    assert asked == []
    dashboard.evaluate(redact, False)
    expect(tile(dashboard, "Waiting")).to_have_text("2", timeout=SOON)
    dashboard.get_by_role("button", name="Hold").press("Enter")
    expect(dashboard.locator("[data-status]")).to_have_text("Held")


def test_another_window_is_chosen_by_keyboard(dashboard):
    """The charts follow."""
    dashboard.get_by_label("6 hours").focus()
    with dashboard.expect_response(lambda reply: "window=7d" in reply.url) as found:
        dashboard.keyboard.press("ArrowRight")
    assert found.value.json()["charts"]["span"] == 3600


def test_a_chart_is_read_by_keyboard_and_as_a_table(dashboard):
    """What the eye sees, a screen reader hears."""
    chart = dashboard.locator("[data-chart=throughput]")
    expect(chart.get_by_role("img")).to_have_attribute("aria-label", re.compile("Succeeded"))
    chart.get_by_role("img").focus()
    dashboard.keyboard.press("ArrowLeft")
    expect(dashboard.locator("#dashboard-spoken")).to_contain_text("default")
    chart.get_by_text("As a table").click()
    expect(chart.locator("tbody tr")).to_have_count(72)
    expect(chart.locator("caption")).to_contain_text("Succeeded jobs a minute")


def test_a_refresh_takes_nobodys_place_away(dashboard):
    """What has the focus keeps it, and an opened table stays open."""
    dashboard.locator("[data-part=queues] a").first.focus()
    dashboard.locator("[data-chart=wait] summary").evaluate("each => each.click()")
    dashboard.locator("[data-part=queues] a").first.focus()
    later(dashboard)
    drawn(dashboard, times=2)
    assert dashboard.evaluate("document.activeElement.closest('[data-part]').dataset.part") == (
        "queues"
    )
    assert dashboard.locator("[data-chart=wait] details").get_attribute("open") is not None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone(dashboard, theme):
    """Nothing sticks out at the side, in either theme."""
    dashboard.emulate_media(color_scheme=theme)
    dashboard.set_viewport_size(PHONE)
    dashboard.reload()
    drawn(dashboard)
    assert dashboard.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert dashboard.locator("html.dark").count() == (theme == "dark")


def test_each_heading_and_table_has_a_name(dashboard):
    """So that one can jump from one to the next."""
    headings = dashboard.get_by_role("heading", level=2)
    assert headings.count() >= 10
    for table in dashboard.locator(".dashboard table").all():
        assert table.locator("caption").text_content()


def test_who_signed_out_elsewhere_is_told_so(dashboard):
    """No old figures, and no error in the console but the refused request."""
    dashboard.evaluate("""() => {
        window.fetch = async () => ({ status: 403, ok: false });
    }""")
    later(dashboard)
    expect(dashboard.locator("[data-status]")).to_have_text(
        "Signed out: reload the page", timeout=SOON
    )


def test_a_viewer_of_workers_sees_workers_and_no_jobs(history, page):
    """Each part has its permission."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_worker"))
    page.goto("/admin/")
    page.fill("input[name=username]", user.email)
    page.fill("input[name=password]", "secret")
    page.click("button[type=submit]")
    drawn(page)
    expect(page.get_by_role("heading", name="Workers")).to_be_visible()
    for name in ("Queues", "Dead letters", "Backlog by queue", "Circuits"):
        expect(page.get_by_role("heading", name=name)).to_be_hidden()
