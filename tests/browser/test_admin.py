"""The admin, clicked through in real Chromium under the enforced CSP."""

from apps.orders.models import Order
from celeriac.core.models import Audit
from celeriac.jobs.models import Attempt, Job, Queue
from tests.factories import JobFactory


def make_dead_job():
    """Make a job that ended dead, with its attempt."""
    job = JobFactory(kind="test.fail")
    Job.objects.filter(pk=job.pk).update(
        state="dead",
        finished_at=job.created_at,
        started_at=job.created_at,
        attempt=1,
        failures=1,
        error="ValueError: no luck",
    )
    Attempt.objects.create(
        job=job,
        number=1,
        outcome="dead",
        started_at=job.created_at,
        finished_at=job.created_at,
        error_class="ValueError",
        message="no luck",
    )
    return job


def test_every_list_opens_without_an_error(signed_in):
    """Each model of ours in the sidebar."""
    make_dead_job()
    links = signed_in.locator("a[href^='/admin/']").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    models = sorted({link for link in links if link.count("/") == 4 and "logout" not in link})
    assert "/admin/celeriac_jobs/job/" in models
    for link in models:
        answer = signed_in.goto(link)
        assert answer.status == 200, link


def test_a_dead_job_is_found_understood_and_retried(signed_in):
    """By its id, with a reason; the audit trail has it."""
    job = make_dead_job()
    signed_in.goto("/admin/celeriac_jobs/job/")
    signed_in.fill("input[name=q]", str(job.id))
    signed_in.press("input[name=q]", "Enter")
    signed_in.click(f"a:has-text('{job.id}')")
    signed_in.get_by_text("ValueError: no luck").first.wait_for()
    signed_in.get_by_role("link", name="Retry").first.click()
    signed_in.fill("textarea[name=reason]", "the provider is back")
    signed_in.locator("#dialog").get_by_role("button", name="Retry").click()
    signed_in.get_by_text("Queued again.").wait_for()
    job.refresh_from_db()
    assert job.state == "queued"
    assert Audit.objects.get(verb="job.retry").reason == "the provider is back"


def test_a_queue_is_paused_and_resumed(signed_in):
    """The list says so."""
    signed_in.goto("/admin/celeriac_jobs/queue/payments/change/")
    signed_in.get_by_role("link", name="Pause").first.click()
    signed_in.fill("textarea[name=reason]", "gateway works")
    signed_in.locator("#dialog").get_by_role("button", name="Pause").click()
    signed_in.get_by_text("Paused.").wait_for()
    assert Queue.objects.get(name="payments").pause_reason == "gateway works"
    signed_in.get_by_role("link", name="Resume").first.click()
    signed_in.fill("textarea[name=reason]", "done")
    signed_in.locator("#dialog").get_by_role("button", name="Resume").click()
    signed_in.get_by_text("Resumed.").wait_for()
    assert Queue.objects.get(name="payments").paused_at is None


def test_a_person_without_an_account_sees_nothing(page, people):
    """Only the login form."""
    JobFactory()
    answer = page.goto("/admin/celeriac_jobs/job/")
    assert "/admin/login/" in page.url
    assert answer.status == 200
    assert not Order.objects.exists()
