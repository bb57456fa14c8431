"""The timeline, the commands, and what a page costs."""

import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from celeriac import Event, JobPageSection, Link, cancel, job_pages, pause_queue, retry
from celeriac.breakers.models import Breaker, Transition
from celeriac.console.actions.services import bulk_start
from celeriac.console.explaining.explain import waiting_reasons
from celeriac.core import audit, clock, context
from celeriac.core.clock import Now
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Attempt, Job, SearchTerm, Worker
from celeriac.jobs.phrases import Wait, ago, count, span
from celeriac.jobs.running import execute
from celeriac.schedules.models import Tick
from tests.factories import AttemptFactory, JobFactory
from tests.factories_schedules import PeriodicTaskFactory

pytestmark = pytest.mark.django_db


def ring(job):
    """Run a job and return it as it stands."""
    Job.objects.filter(pk=job.pk).update(run_at=timezone.now() - timedelta(seconds=1))
    execute.answer_doorbell(
        [job.id], context=execute.WorkerContext(uuid4(), execute.capabilities())
    )
    job.refresh_from_db()
    return job


def test_a_job_that_failed_was_retried_and_ended_has_its_whole_story(read):
    """Who enqueued it and in which request, each run, who sent it back and why."""
    with context.bind(correlation_id="req-9"):
        job = enqueue("test.fail", {}, enqueued_by="shop")
    for _ in range(3):
        ring(job)
    retry(job.id, actor="ada", reason="try once more")
    ring(job)
    page = read(job)
    assert page.events[:6] == [
        "Enqueued",
        "Run 1 failed",
        "Run 2 failed",
        "Run 3 failed, and the job was given up",
        "Queued again",
        "Run 4 failed",
    ]
    for text in ("by shop in request req-9", "by ada: try once more", "ValueError: no luck"):
        assert text in page.text
    assert "Run 4 failed" in page.text.split("Timeline")[0]
    assert "raise ValueError(message)" in page.text
    assert "?q=req-9" in page.source


def test_snoozes_children_and_their_parent_are_told(read):
    """What leaves no row of its own is told from what it leaves."""
    job = ring(enqueue("test.snooze", {}))
    assert "Run 1 was snoozed" in read(job).events
    ring(job)
    assert "Run 1 ended without a verdict" in read(job).events
    parent = ring(enqueue("test.parent", {"name": "a"}))
    child = Job.objects.get(kind="test.note")
    assert "Enqueued a job of its own" in read(parent).events
    assert f"/admin/celeriac_jobs/job/{parent.id}/change/" in read(child).source


def test_pauses_circuits_and_edits_of_its_time_are_told(read):
    """And none of another time, or of another job's arguments."""
    pause_queue("default", reason="before", actor="ada")
    job = enqueue("test.guarded", {"name": "b"})
    pause_queue("default", reason="deploy", actor="ada")
    Breaker.objects.update_or_create(name="payments")
    Transition.objects.create(breaker_id="payments", from_state="closed", to_state="half_open")
    details = {"args_before": {"name": "a"}, "args_after": {"name": "b"}, "state": "dead"}
    audit.record(verb="job.edit", target_type="job", target_id=job.id, actor="ada", details=details)
    page = read(job)
    assert {"Its queue was paused", "Circuit payments: closed → half-open"} <= {*page.events}
    assert "by ada: deploy" in page.text
    assert "by ada: before" not in page.text
    assert "name: a → b" in page.text


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "among many"])
def test_a_cancel_that_a_retry_undid_is_nobodys_of_the_next_one(read, alone):
    """The one that holds was the program's own."""
    job = JobFactory()
    if alone:
        cancel(job.id, actor="ada", reason="a flood")
    else:
        bulk_start(verb="cancel", filter={}, actor="ada", reason="a flood")
    job.refresh_from_db()
    assert "It was cancelled by ada at" in read(job).sentence
    retry(job.id, actor="bob")
    job = cancel(job.id, reason="the order is gone")
    page = read(job)
    assert "ada" not in page.sentence
    assert page.sentence.endswith(": the order is gone.")
    assert page.events.count("Cancel asked for") == 2


def test_a_running_job_that_is_to_stop_names_nobody_of_an_earlier_cancel(read):
    """Who cancelled it before a retry has not asked this run to stop."""
    job = JobFactory()
    cancel(job.id, actor="ada", reason="a flood")
    retry(job.id, actor="bob")
    Job.objects.filter(pk=job.pk).update(state="running", claim_id=uuid4(), started_at=Now())
    job = cancel(job.id, reason="the order is gone")
    worker = Worker.objects.create(name="w@h", host="h", pid=1, slots=1, claims=[job.claim_id])
    Job.objects.filter(pk=job.pk).update(worker=worker.pk)
    sentence = read(Job.objects.get(pk=job.pk)).sentence
    assert sentence.startswith("It was asked to stop at ")
    assert "ada" not in sentence


def test_a_change_among_many_says_what_it_changed(read):
    """As a change of one does."""
    job = JobFactory()
    values = {"priority": 7}
    bulk_start(verb="priority", filter={}, actor="ada", reason="hurry", parameters=values)
    assert "by ada: hurry (priority: 7)" in read(job).text


def test_other_apps_add_what_they_know_and_can_not_break_the_page(read):
    """One that fails is left out."""

    def tell(job):
        link = Link("The shop's page", "admin:celeriac_jobs_job_change", (str(job.id),))
        return JobPageSection(links=(link,), events=(Event(timezone.now(), "The shop saw it"),))

    job_pages.register_section("test", lambda job: job.kind == "test.note", tell)
    job_pages.register_section("broken", lambda job: True, lambda job: 1 // 0)
    try:
        page = read(JobFactory())
        assert "The shop saw it" in page.events
        assert "The shop's page" in page.links
        assert "The shop saw it" not in read(JobFactory(kind="test.noop")).events
    finally:
        job_pages.forget_section("test")
        job_pages.forget_section("broken")


def test_a_schedules_job_leads_to_its_tick(read):
    """And to the schedule."""
    task = PeriodicTaskFactory(name="nightly")
    tick = Tick.objects.create(
        periodic_task=task, scheduled_for=timezone.now(), status="fired", job=uuid4()
    )
    page = read(JobFactory(tick=tick.id))
    assert page.links["Schedule nightly"].endswith(f"/{task.pk}/change/")
    assert "Its tick was due" in page.events
    assert "by a schedule" in page.text


def test_flower_and_the_trace_are_linked_where_they_are_configured(read, settings):
    """And not where they are not."""
    job = JobFactory(state="succeeded")
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": ""}
    assert "Its doorbell in Flower" not in read(job).links
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": "flower:secret"}
    assert read(job).links["Its doorbell in Flower"] == f"/flower/task/{job.id}"
    traced = JobFactory(trace=f"00-{'a' * 32}-{'b' * 16}-01")
    assert "Its trace" not in read(traced).links
    settings.CELERIAC = {**settings.CELERIAC, "TRACE_URL": "https://traces.example/{trace_id}"}
    assert read(traced).links["Its trace"] == f"https://traces.example/{'a' * 32}"


def test_the_command_says_what_the_page_says(capsys):
    """As text with what to do, and as JSON."""
    pause_queue("default", reason="deploy", actor="ada")
    job = enqueue("test.note", {"name": "a"})
    call_command("jobs", "show", str(job.id))
    text = capsys.readouterr().out
    assert text.startswith("It is not running because the queue default is paused by ada: deploy.")
    assert "[manage.py queues resume default]" in text
    assert "Enqueued" in text
    call_command("jobs", "show", str(job.id), "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["explanation"]["code"] == "paused"
    assert said["explanation"]["steps"][0]["command"] == "manage.py queues resume default"
    assert said["timeline"][0]["what"] == "Enqueued"
    assert [wait["code"] for wait in said["waiting"]] == [
        wait.code for wait in waiting_reasons(job)
    ]


def test_a_page_costs_the_same_whatever_lies_behind_it(staff, django_assert_max_num_queries):
    """Runs, audits and neighbours are not asked for one by one."""
    job = JobFactory(state="dead", attempt=250)
    AttemptFactory.create_batch(30, job=job)
    for number in range(20):
        audit.record(verb="job.retry", target_type="job", target_id=job.id, actor=f"a{number}")
    JobFactory.create_batch(20)
    with django_assert_max_num_queries(20):
        assert (
            staff.get(reverse("admin:celeriac_jobs_job_change", args=[job.pk])).status_code == 200
        )
    with django_assert_max_num_queries(16):
        assert (
            staff.get(reverse("admin:celeriac_jobs_job_fragment", args=[job.pk])).status_code == 200
        )


def test_a_page_that_stays_open_says_for_how_long_the_run_goes_on(staff):
    """Though nothing but the time has changed: a minute later it would be a lie."""
    now = clock.db_now()
    later = now + timedelta(hours=1)
    worker = Worker.objects.create(name="w", host="h", pid=1, slots=1, beat_at=later)
    run = {"state": "running", "attempt": 1, "claim_id": uuid4(), "worker": worker.id}
    job = JobFactory(**run, started_at=now - timedelta(seconds=5))
    url = reverse("admin:celeriac_jobs_job_fragment", args=[job.pk])
    seen = staff.get(url).context["job_page"]["seen"]
    with clock.offset_clock(timedelta(seconds=10)):
        answer = staff.get(url, {"seen": seen})
    assert answer.status_code == 200
    assert re.search(r"for (1[5-9]|[2-9]\d) s", answer.content.decode())


def test_the_fragment_is_for_those_who_may_see_the_page(client, staff, django_user_model):
    """Nobody else; and it answers nothing where nothing is new."""
    job = JobFactory()
    url = reverse("admin:celeriac_jobs_job_fragment", args=[job.pk])
    seen = staff.get(url).context["job_page"]["seen"]
    assert staff.get(url, {"seen": seen}).status_code == 204
    assert staff.get(reverse("admin:celeriac_jobs_job_fragment", args=[uuid4()])).status_code == 404
    client.logout()
    assert client.get(url).status_code == 302
    nobody = django_user_model.objects.create_user("nobody@example.com", "x", is_staff=True)
    client.force_login(nobody)
    assert client.get(url).status_code == 404
    nobody.user_permissions.add(Permission.objects.get(codename="view_job"))
    client.force_login(django_user_model.objects.get(pk=nobody.pk))
    assert client.get(url).status_code == 200


def test_no_link_leads_where_somebody_may_not_go(client, settings, django_user_model):
    """Flower, breakers and the audit trail are permissions of their own."""
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": "flower:a-long-enough-password"}
    job = JobFactory(kind="test.guarded", state="dead", attempt=1)
    viewer = django_user_model.objects.create_user("eye@example.com", "x", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_job"))
    page = reverse("admin:celeriac_jobs_job_fragment", args=[job.pk])
    everywhere = {"Queue default", "Breaker payments", "Its runs", "Its audit trail",
                  "Its doorbell in Flower"}  # fmt: skip
    for names, seen in (({"view_job"}, set()), ({"view_job", "view_flower"}, {"Its doorbell"})):
        viewer.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(django_user_model.objects.get(pk=viewer.pk))
        told = {link.text for link, _ in client.get(page).context["job_page"]["links"]}
        assert {text for text in everywhere if any(text.startswith(s) for s in seen)} == told
    client.force_login(django_user_model.objects.create_superuser("root@example.com", "x"))
    assert {link.text for link, _ in client.get(page).context["job_page"]["links"]} == everywhere


def test_what_an_app_tells_is_for_those_who_may_see_it(client, django_user_model):
    """A viewer of jobs alone learns nothing of payments; the job's own story stays."""
    job = JobFactory(state="succeeded")
    wait = Wait("human", "waits for the shop", because=False)
    tell = JobPageSection(links=(Link("The parcel", "/parcels/7"),), wait=wait)
    job_pages.register_section(
        "test", lambda job: True, lambda job: tell, permission="orders.view_order"
    )
    try:
        viewer = django_user_model.objects.create_user("eye@example.com", "x", is_staff=True)
        viewer.user_permissions.set(Permission.objects.filter(codename="view_job"))
        client.force_login(viewer)
        url = reverse("admin:celeriac_jobs_job_change", args=[job.pk])
        assert "/parcels/7" not in client.get(url).content.decode()
        assert client.get(url).context["job_page"]["said"].code == "succeeded"
        viewer.user_permissions.add(Permission.objects.get(codename="view_order"))
        assert "/parcels/7" in client.get(url).content.decode()
        assert client.get(url).context["job_page"]["said"].code == "human"
    finally:
        job_pages.forget_section("test")


def test_of_many_runs_the_latest_are_told_in_full(read):
    """A page is no dump of the table."""
    job = JobFactory(state="dead", attempt=30)
    for number in range(1, 31):
        AttemptFactory(job=job, number=number, traceback=f"traceback of run {number}.")
    page = read(job)
    assert page.text.count("traceback of run") == 10
    assert "traceback of run 30." in page.text
    assert len([title for title in page.events if title.startswith("Run")]) == 30


def test_odd_progress_is_no_error(staff):
    """Handlers write what they like."""
    for progress in (
        {"done": 1},
        [1, 2],
        "half",
        {"done": "a", "total": 0},
        {"done": 5, "total": 2},
    ):
        job = JobFactory(state="running", progress=progress)
        url = reverse("admin:celeriac_jobs_job_change", args=[job.pk])
        assert staff.get(url).status_code == 200


def test_texts_of_jobs_are_text_on_the_page(staff):
    """Markup in arguments, errors and tracebacks runs nowhere."""
    evil = "<script>alert(1)</script>"
    job = JobFactory(state="dead", error=evil, args={"name": evil}, result=evil, enqueued_by=evil)
    AttemptFactory(job=job, message=evil, traceback=evil, error_class=evil)
    source = staff.get(reverse("admin:celeriac_jobs_job_change", args=[job.pk])).content.decode()
    assert evil not in source
    assert "&lt;script&gt;" in source
    assert Attempt.objects.count() == 1
    assert not SearchTerm.objects.exists()


def test_spans_and_moments_read_as_people_say_them():
    """From milliseconds to days."""
    said = [span(each) for each in (0.25, 4.21, 40, 180, 7500, 7200, 400_000)]
    assert said == ["250 ms", "4.2 s", "40 s", "3 min", "2 h 5 min", "2 h", "5 days"]
    now = timezone.now()
    assert ago(now + timedelta(minutes=5), now) == "in 5 min"
    assert ago(now - timedelta(seconds=30), now) == "30 s ago"
    assert (count(1, "job"), count(2, "job")) == ("1 job", "2 jobs")
