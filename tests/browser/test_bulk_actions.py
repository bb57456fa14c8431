"""An operator's verbs, and a viewer's lack of them, in real Chromium under the enforced CSP."""

import os
import re

import pytest
from playwright.sync_api import expect

from celeriac.breakers.models import Breaker
from celeriac.console.actions import runner
from celeriac.console.actions.models import BulkAction
from celeriac.core.models import Audit
from celeriac.jobs.models import Job, Queue
from tests.factories import JobFactory
from tests.integration.ops.bulk_actions_support import apply_url, member

DEAD = 5_000


def picture(page, name):
    """Save a picture where SCREENSHOTS says, for whoever wants to look."""
    if directory := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{directory}/{name}.png", full_page=True)


@pytest.fixture
def sign_in(page, people):
    """Return a function that signs in a member of a group."""

    def enter(group):
        user = member(group)
        page.goto("/admin/")
        page.fill("input[name=username]", user.email)
        page.fill("input[name=password]", "secret")
        page.click("button[type=submit]")
        page.wait_for_url("**/admin/")
        return user

    return enter


def make_dead(count, error="ConnectionError: refused"):
    """Make dead jobs, quickly."""
    rows = JobFactory.build_batch(count, state="dead", error=error, failures=3)
    return Job.objects.bulk_create(rows, batch_size=1000)


def submit(page, **fields):
    """Fill in a dialog and send it."""
    for name, value in fields.items():
        page.fill(f"#dialog [name={name}]", str(value))
    page.locator("#dialog").get_by_role("button").click()


def confirm_retry_of_all(page):
    """Choose all that the list holds, and confirm the retry, after two mistakes."""
    page.locator("#action-toggle").check()
    page.get_by_role("link", name=re.compile("Select all that match")).click()
    page.locator("select[name=action]").select_option(label="Retry…")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#how-many")).to_have_text("5,000 jobs")
    picture(page, "apply")
    confirm = page.get_by_role("button", name="Retry 5,000 jobs")
    page.fill("[name=reason]", "the provider is back")
    confirm.click()
    expect(page.get_by_text("This field is required")).to_be_visible()
    page.fill("[name=typed]", "50")
    confirm.click()
    expect(page.get_by_text("Type 5000, as the page says.")).to_be_visible()
    page.fill("[name=typed]", "5000")
    confirm.click()


def test_an_operator_retries_five_thousand_dead_letters_by_filter(page, sign_in, processes):
    """From the list, confirmed by typing, watched to its end, applied by a real worker."""
    user = sign_in("operator")
    make_dead(DEAD)
    spared = make_dead(2, error="ValueError: bad card")
    page.goto("/admin/celeriac_jobs/job/?state=dead&error_class=ConnectionError")
    confirm_retry_of_all(page)
    bulk = BulkAction.objects.get()
    bar, sentence = page.locator("progress"), page.locator("[data-part=sentence]")
    expect(sentence).to_have_text("Waits for its turn: 5,000 jobs.")
    runner.apply_batch(bulk.pk)
    runner.apply_batch(bulk.pk)
    expect(sentence).to_have_text("Under way: 1,000 of 5,000 queued again.", timeout=30_000)
    expect(bar).to_have_attribute("value", "20")
    picture(page, "progress")
    processes.dispatcher()
    processes.worker(queues=["maintenance"], concurrency=1)
    expect(sentence).to_have_text("Finished: 5,000 of 5,000 queued again.", timeout=60_000)
    expect(bar).to_have_attribute("value", "100")
    picture(page, "finished")

    assert Job.objects.filter(kind="test.note", state="queued").count() == DEAD
    assert Job.objects.filter(state="dead").count() == len(spared)
    entry = Audit.objects.get(verb="job.retry")
    assert (entry.actor, entry.count, entry.reason) == (user, DEAD, "the provider is back")
    assert entry.filter == {"state": ["dead"], "error_class": ["ConnectionError"]}


def test_an_operator_requeues_the_dead_letters_of_one_error(page, sign_in):
    """From the page that groups them; a small set is done at once."""
    sign_in("operator")
    make_dead(3)
    make_dead(1, error="ValueError: bad card")
    page.goto("/admin/celeriac_console/bulkaction/")
    page.get_by_role("link", name="Dead letters by error").click()
    picture(page, "dead-letters")
    row = page.get_by_role("row", name=re.compile("ConnectionError"))
    row.get_by_role("link", name="Retry").click()
    page.fill("[name=reason]", "the provider is back")
    page.get_by_role("button", name="Retry 3 jobs").click()
    expect(page.locator("[data-part=sentence]")).to_have_text("Finished: 3 of 3 queued again.")
    assert Job.objects.filter(state="dead").count() == 1


def test_an_operator_pauses_and_resumes_a_queue_and_forces_a_circuit(page, sign_in):
    """Each with a reason; the pause and the force with an end."""
    sign_in("operator")
    Breaker.objects.get_or_create(name="payments")
    page.goto("/admin/celeriac_jobs/queue/payments/change/")
    page.get_by_role("link", name="Pause").first.click()
    submit(page, reason="gateway works", minutes=5)
    page.get_by_text("Paused.").wait_for()
    assert Queue.objects.get(name="payments").paused_until is not None
    page.get_by_role("link", name="Resume").first.click()
    submit(page, reason="gateway is back")
    page.get_by_text("Resumed.").wait_for()
    page.goto("/admin/celeriac_breakers/breaker/payments/change/")
    page.get_by_role("link", name="Force open").first.click()
    submit(page, reason="they called", minutes=5)
    page.get_by_text("Done: payments.").wait_for()
    assert Breaker.objects.get(name="payments").forced == "open"
    assert Queue.objects.get(name="payments").paused_at is None
    verbs = set(Audit.objects.values_list("verb", flat=True))
    assert verbs - {"sign_in.in"} == {"queue.pause", "queue.resume", "breaker.force_open"}


def test_an_operator_edits_the_arguments_of_a_dead_job(page, sign_in):
    """What the kind refuses is said in the dialog, and nothing is lost."""
    sign_in("operator")
    job = make_dead(1)[0]
    page.goto(f"/admin/celeriac_jobs/job/{job.pk}/change/")
    assert page.get_by_role("link", name="Run now").count() == 0
    page.get_by_role("link", name="Edit arguments and retry").first.click()
    submit(page, args='{"nme": "b"}', reason="wrong name")
    expect(page.get_by_text("did you mean 'name'?")).to_be_visible()
    picture(page, "edit")
    submit(page, args='{"name": "b"}')
    page.get_by_text("Edited, and queued.").wait_for()
    job.refresh_from_db()
    assert (job.state, job.args) == ("queued", {"name": "b"})
    entry = Audit.objects.get(verb="job.edit")
    assert entry.details["args_before"] == {"name": "a"}


def test_a_viewer_sees_all_of_it_and_can_do_none(page, sign_in):
    """No button, no action, and no address typed by hand."""
    sign_in("viewer")
    Breaker.objects.get_or_create(name="payments")
    job = make_dead(1)[0]
    for url in (
        "/admin/celeriac_jobs/queue/payments/change/",
        "/admin/celeriac_breakers/breaker/payments/change/",
        f"/admin/celeriac_jobs/job/{job.pk}/change/",
        "/admin/celeriac_jobs/job/",
        "/admin/celeriac_console/bulkaction/dead-letters/",
    ):
        assert page.goto(url).status == 200
        for name in ("Pause", "Resume", "Force", "Clear", "Retry", "Cancel", "Edit"):
            assert page.get_by_role("link", name=re.compile(f"^{name}")).count() == 0, (url, name)
        assert page.locator("select[name=action]").count() == 0
    forbidden = [
        "/admin/celeriac_jobs/queue/payments/pause/",
        "/admin/celeriac_breakers/breaker/payments/force-open/",
        *(
            f"/admin/celeriac_jobs/job/{job.pk}/{verb}/"
            for verb in ("retry", "cancel", "run-now", "edit")
        ),
        *(apply_url(verb) for verb in ("retry", "cancel", "run_now", "priority", "queue")),
    ]
    statuses = {url: page.request.get(url).status for url in forbidden}
    assert set(statuses.values()) == {403}, statuses
    assert not Audit.objects.exclude(verb="sign_in.in").exists()
