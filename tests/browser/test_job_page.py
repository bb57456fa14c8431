"""Finding a job and understanding it, in real Chromium."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from celeriac.breakers.models import Breaker, Transition
from celeriac.core import audit
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Job, Queue, Worker
from celeriac.jobs.registry import Kind
from celeriac.jobs.schema import Schema
from tests.factories import AttemptFactory, JobFactory

TRACEBACK = """Traceback (most recent call last):
  File "tasks/shop.py", line 12, in ship
    raise ParcelLost(order_id)
shop.errors.ParcelLost: no such parcel: 17b
"""


def ship(order_id: str, password: str = "") -> None:
    """Ship an order."""


@pytest.fixture
def shop():
    """Declare a kind that is found by its order and hides its password."""
    schema = Schema.of(ship)
    kind = Kind("test.ship", ship, schema, search=("order_id",), redact=("password",))
    yield registry.declare_kind(kind)
    registry.forget_kind("test.ship")


@pytest.fixture
def dead(shop, people):
    """Return a job that failed twice, was retried by an operator, and died."""
    now = timezone.now()
    job = enqueue("test.ship", {"order_id": "A-17", "password": "hunter2-hunter2"})
    worker = Worker.objects.create(name="worker-1@shop", host="shop", pid=7, slots=2)
    for number, outcome in ((1, "failed"), (2, "lost"), (4, "dead")):
        start = now - timedelta(minutes=10 - number)
        AttemptFactory(
            job=job, number=number, outcome=outcome, worker=worker.id, started_at=start,
            finished_at=start + timedelta(seconds=1.5), traceback=TRACEBACK,
            error_class="shop.errors.ParcelLost", message="no such parcel: 17b",
        )  # fmt: skip
    audit.record(verb="job.retry", target_type="job", target_id=job.id, actor=people,
                 reason="the depot is open again")  # fmt: skip
    Job.objects.filter(pk=job.pk).update(
        state="dead", attempt=4, failures=5, worker=worker.id, started_at=now, finished_at=now,
        created_at=now - timedelta(minutes=11), run_at=now - timedelta(minutes=11),
        error="shop.errors.ParcelLost: no such parcel: 17b",
    )  # fmt: skip
    return job


def search(page, term):
    """Search the list of jobs as a person does; return the ids it shows."""
    page.goto("/admin/celeriac_jobs/job/")
    page.fill("input[name=q]", term)
    page.press("input[name=q]", "Enter")
    page.wait_for_url("**q=**")
    links = page.locator("#result_list a[href*='/change/']")
    hrefs = links.evaluate_all("links => links.map(link => link.getAttribute('href'))")
    return {href.split("/")[4] for href in hrefs}


def test_a_job_is_found_by_its_id_by_its_field_and_by_its_error(signed_in, dead):
    """Three things that an operator may have in hand."""
    JobFactory.create_batch(3)
    enqueue("test.ship", {"order_id": "A-18"})
    for term in (str(dead.id), "A-17", "order_id=A-17", "ParcelLost", "no such parcel"):
        assert search(signed_in, term) == {str(dead.id)}, term
    assert search(signed_in, "A-19") == set()


def test_its_page_says_why_it_died_and_what_to_do(signed_in, dead):
    """The sentence, the steps, the timeline with its traceback; and no secret."""
    search(signed_in, "A-17")
    signed_in.click(f"#result_list a:has-text('{dead.id}')")
    sentence = signed_in.locator("#job-page-sentence")
    assert "It is dead because it failed 5 of 5 times" in sentence.inner_text()
    signed_in.get_by_text("Then retry it").wait_for()
    signed_in.get_by_text("by root@example.com: the depot is open again").wait_for()
    signed_in.get_by_text("Run 3 ended without a verdict").wait_for()
    traceback = signed_in.locator("details", has_text="raise ParcelLost").last
    assert not traceback.locator("pre").is_visible()
    traceback.locator("summary").press("Enter")
    assert traceback.locator("pre").is_visible()
    assert "hunter2" not in signed_in.content()
    picture(signed_in, "dead")


def test_an_open_page_follows_its_job_without_a_reload(signed_in, people):
    """Parked behind a circuit, then running with progress, then done."""
    Breaker.objects.update_or_create(
        name="payments",
        defaults={"state": "open", "open_until": timezone.now() + timedelta(hours=1)},
    )
    job = JobFactory(kind="test.guarded")
    Transition.objects.create(breaker_id="payments", from_state="closed", to_state="open",
                              reason="60 % of 20 calls failed", last_error="timed out")  # fmt: skip
    worker = Worker.objects.create(name="w@h", host="h", pid=1, queues=["default"], slots=2,
                                   kinds=["test.guarded"])  # fmt: skip
    Queue.objects.update(lease_until=timezone.now() + timedelta(hours=1))
    signed_in.goto(f"/admin/celeriac_jobs/job/{job.pk}/change/")
    signed_in.get_by_text("because the circuit payments is open until").wait_for()
    signed_in.get_by_text("Circuit payments: closed → open").wait_for()
    picture(signed_in, "parked")
    run = {"state": "running", "attempt": 1, "claim_id": job.pk, "worker": worker.id}
    Job.objects.filter(pk=job.pk).update(
        **run, started_at=timezone.now(), progress={"done": 40, "total": 100}
    )
    signed_in.get_by_text("It is running: run 1 on w@h").wait_for()
    assert signed_in.locator("progress").get_attribute("value") == "40"
    picture(signed_in, "running")
    Job.objects.filter(pk=job.pk).update(
        state="succeeded", claim_id=None, finished_at=timezone.now()
    )
    signed_in.get_by_text("It succeeded at run 1").wait_for()
    assert signed_in.locator("#job-page[hx-get]").count() == 0


def test_what_was_opened_stays_open_while_the_page_follows(signed_in, dead):
    """Somebody reads a traceback while the next run goes on."""
    worker = Worker.objects.create(name="w@h", host="h", pid=1, slots=1)
    run = {"state": "running", "attempt": 5, "claim_id": dead.pk, "worker": worker.id}
    started = timezone.now() - timedelta(seconds=20)
    Job.objects.filter(pk=dead.pk).update(**run, started_at=started, finished_at=None)
    signed_in.goto(f"/admin/celeriac_jobs/job/{dead.pk}/change/")
    traceback = signed_in.locator("details", has_text="raise ParcelLost").first
    traceback.locator("summary").click()
    said = signed_in.locator("#job-page-sentence").inner_text()
    expect(signed_in.locator("#job-page-sentence")).not_to_have_text(said, timeout=30_000)
    assert traceback.locator("pre").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone(signed_in, dead, scheme):
    """Nothing has to be scrolled sideways, in either theme."""
    signed_in.emulate_media(color_scheme=scheme)
    signed_in.set_viewport_size({"width": 390, "height": 844})
    signed_in.goto(f"/admin/celeriac_jobs/job/{dead.pk}/change/")
    signed_in.locator("#job-page-sentence").wait_for()
    widest = signed_in.evaluate("document.documentElement.scrollWidth")
    assert widest <= 390
    picture(signed_in, f"phone-{scheme}")


def picture(page, name):
    """Leave a picture where somebody asked for them."""
    if directory := os.environ.get("PICTURES"):
        page.screenshot(path=f"{directory}/{name}.png", full_page=True)
