"""The pages of bulk actions, and who may open them."""

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from celeriac.console.actions import forms, runner, services
from celeriac.console.actions.models import BulkAction
from celeriac.console.admin.audit import audited_targets
from celeriac.console.audited_admin import AuditedAdmin
from celeriac.core.models import Audit
from celeriac.jobs.models import Job
from tests.architecture.source import ROOT
from tests.factories import JobFactory
from tests.integration.ops.bulk_actions_support import apply_url, confirmation, dead_jobs, member

pytestmark = pytest.mark.django_db
VERBS = ["retry", "cancel", "run_now", "priority", "queue"]


@pytest.fixture
def operator(client):
    """Return a client of an operator."""
    client.force_login(member("operator"))
    return client


def progress(bulk, name="facts"):
    """Return the address of a verb's progress."""
    return reverse(f"admin:celeriac_console_bulkaction_{name}", args=[bulk.pk])


def test_a_small_set_is_confirmed_with_a_reason(operator):
    """And its page says what came of it."""
    dead_jobs(3)
    url = apply_url("retry", state="dead")
    assert not BulkAction.objects.exists()
    assert "This field is required" in confirmation(operator, url).content.decode()
    page = confirmation(operator, url, reason="fixed")
    assert "Finished: 3 of 3 queued again." in page.content.decode()
    assert operator.get(progress(BulkAction.objects.get())).json()["percent"] == 100


def test_a_large_set_is_confirmed_by_typing_its_number(operator, monkeypatch):
    """Nothing else will do."""
    monkeypatch.setattr(forms, "TYPED_ABOVE", 2)
    dead_jobs(3)
    url = apply_url("retry", state="dead")
    for typed in ("", "yes", "2"):
        assert "Type 3" in confirmation(operator, url, reason="x", typed=typed).content.decode()
    assert not BulkAction.objects.exists()
    confirmation(operator, url, reason="x", typed="3")
    assert BulkAction.objects.get().changed == 3


def test_a_set_that_grew_is_looked_at_again(operator):
    """Or a slow reader would confirm what was never shown."""
    dead_jobs(2)
    url = apply_url("retry", state="dead")
    form = operator.get(url).context["form"]
    data = {"confirm": form["confirm"].value(), "seen": form["seen"].value(), "reason": "x"}
    dead_jobs(30)
    assert "has grown from 2 to 32" in operator.post(url, data).content.decode()
    assert not BulkAction.objects.exists()


def test_the_choice_of_rows_goes_by_way_of_the_preview(operator):
    """Checked rows, and no others."""
    first, second = dead_jobs(2)
    confirmation(operator, apply_url("retry"), chosen=[str(first.pk)], reason="x")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("queued", "dead")


def test_the_whole_list_is_chosen_when_told_so(operator):
    """As the list posts it, with its filter in the address."""
    dead_jobs(2)
    spared = JobFactory(state="cancelled")
    url = reverse("admin:celeriac_jobs_job_changelist") + "?state=dead"
    some = Job.objects.dead().first()
    data = {"action": "retry_chosen", "_selected_action": [some.pk], "select_across": "1"}
    shown = operator.post(url, data, follow=True)
    assert shown.context["counted"] == 2
    assert "state: dead" in shown.content.decode()
    assert spared.kind in shown.content.decode()


def test_parameters_are_asked_for_and_checked(operator):
    """A queue that is declared, a priority in range."""
    job = JobFactory()
    url = apply_url("priority", state="queued")
    assert "less than or equal to 100" in confirmation(
        operator, url, reason="x", priority="1000"
    ).content.decode().replace("&#x27;", "'")
    confirmation(operator, url, reason="x", priority="9")
    confirmation(operator, apply_url("queue", state="queued"), reason="x", queue="payments")
    job.refresh_from_db()
    assert (job.priority, job.queue) == (9, "payments")


def test_nothing_to_do_is_said(operator):
    """Instead of a form."""
    page = operator.get(apply_url("retry", state="dead")).content.decode()
    assert "Nothing to do" in page
    assert "<textarea" not in page


@pytest.mark.parametrize("query", [{"colour": "red"}, {"ids": "17"}])
def test_a_filter_that_cannot_be_read_leads_back(operator, query):
    """With a message, not an error page, and never to every job."""
    dead_jobs(1)
    answer = operator.get(apply_url("retry", **query), follow=True)
    assert answer.redirect_chain
    page = answer.content.decode()
    assert "filtered by" in page or "choose jobs by their ids" in page
    chosen = {"_selected_action": ["17"]}
    assert operator.post(apply_url("retry", **query), chosen).status_code == 302


def test_the_flag_of_an_address_that_could_not_be_read_is_no_filter(operator):
    """The admin leads from a bad filter to ?e=1, which is every job, and must be called so."""
    dead_jobs(2)
    page = operator.get(apply_url("retry", e="1")).content.decode()
    assert "every job" in page
    assert "e: 1" not in page


def test_an_unknown_verb_is_not_found(operator):
    """Neither is an unknown run."""
    assert operator.get(apply_url("delete")).status_code == 404
    gone = BulkAction(id="00000000-0000-7000-8000-000000000000")
    assert operator.get(progress(gone)).status_code == 404


def test_a_verb_is_stopped_from_its_page(operator, monkeypatch):
    """With a reason."""
    monkeypatch.setattr(services, "AT_ONCE", 0)
    dead_jobs(2)
    confirmation(operator, apply_url("retry", state="dead"), reason="x")
    bulk = BulkAction.objects.get()
    url = progress(bulk, "stop")
    operator.post(url, {"_form_submitted": "on", "reason": "wrong one"}, follow=True)
    bulk.refresh_from_db()
    assert (bulk.state, bulk.error) == ("stopped", f"stopped by {bulk.actor}: wrong one")
    assert operator.get(url).status_code == 403


@pytest.mark.parametrize("verb", VERBS)
def test_a_viewer_may_open_none_of_the_previews(client, verb):
    """Nor post to them."""
    client.force_login(member("viewer"))
    job = dead_jobs(1)[0]
    assert client.get(apply_url(verb)).status_code == 403
    data = {"ids": [str(job.pk)], "reason": "x", "confirm": str(job.pk)}
    assert client.post(apply_url(verb), data).status_code == 403
    assert client.get(reverse("admin:ops_dead_letters")).status_code == 200
    assert not Audit.objects.exists()


@pytest.mark.parametrize("who", ["nobody", "customer"])
def test_whoever_is_no_staff_is_sent_to_the_login(client, django_user_model, who):
    """From every page."""
    if who == "customer":
        client.force_login(django_user_model.objects.create_user("c@example.com", "x"))
    bulk = BulkAction(id="00000000-0000-7000-8000-000000000000")
    pages = [apply_url(verb) for verb in VERBS]
    pages += [reverse("admin:ops_dead_letters"), progress(bulk), progress(bulk, "stop")]
    for url in pages:
        answer = client.get(url)
        assert answer.status_code == 302, url
        assert "/login/" in answer["Location"]


def test_dead_letters_are_grouped_by_kind_and_error(operator):
    """Each with a way to its list and its requeue."""
    dead_jobs(2)
    dead_jobs(1, error="KeyError: 'x'", kind="test.fail")
    groups = operator.get(reverse("admin:ops_dead_letters")).context["groups"]
    assert [(row["kind"], row["error_class"], row["count"]) for row in groups] == [
        ("test.note", "ValueError", 2),
        ("test.fail", "KeyError", 1),
    ]
    assert operator.get(groups[0]["retry_url"]).context["counted"] == 2
    listed = operator.get(groups[1]["list_url"]).context["cl"].queryset
    assert [job.kind for job in listed] == ["test.fail"]


def test_the_pages_ask_few_questions(operator, django_assert_max_num_queries):
    """However many jobs there are."""
    dead_jobs(60)
    with django_assert_max_num_queries(16):
        operator.get(apply_url("retry", state="dead"))
    confirmation(operator, apply_url("retry", state="dead"), reason="x")
    bulk = BulkAction.objects.get()
    with django_assert_max_num_queries(16):
        operator.get(progress(bulk, "change"))
    with django_assert_max_num_queries(12):
        operator.get(reverse("admin:celeriac_console_bulkaction_changelist"))
    with django_assert_max_num_queries(8):
        operator.get(progress(bulk))


def test_changes_of_people_groups_and_crontabs_are_audited(client):
    """Who may do what is the first thing to ask after an accident."""
    admin, eye = member("admin"), member("viewer")
    client.force_login(admin)
    url = reverse("admin:accounts_user_change", args=[eye.pk])
    groups = list(Group.objects.filter(name="operator").values_list("pk", flat=True))
    data = {"email": eye.email, "is_active": "on", "is_staff": "on", "groups": groups}
    data["reason"] = "promoted"
    assert client.post(url, data).status_code == 302
    entry = Audit.objects.get(verb="user.change")
    assert (entry.actor, entry.details["new"]["groups"]) == (admin, ["operator"])
    assert entry.reason == "promoted"
    url = reverse("admin:django_celery_beat_crontabschedule_add")
    fields = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
    client.post(url, dict.fromkeys(fields, "*") | {"timezone": "UTC", "reason": "for tests"})
    assert Audit.objects.filter(verb="crontabschedule.create", actor=admin).count() == 1
    client.post(reverse("admin:auth_group_delete", args=groups), {"post": "yes", "reason": "x"})
    assert Audit.objects.filter(verb="group.delete").count() == 1


def test_the_audit_trail_is_searched_and_never_edited(client):
    """Not even by who may do everything."""
    user = member("admin", is_superuser=True)
    client.force_login(user)
    dead_jobs(1)
    services.bulk_start(verb="retry", filter={}, actor=user, reason="the moon")
    entry = Audit.objects.get()
    page = reverse("admin:celeriac_core_audit_change", args=[entry.pk])
    listing = reverse("admin:celeriac_core_audit_changelist")
    for term, count in (("moon", 1), ("job.retry", 1), (user.email, 1), ("sun", 0)):
        assert client.get(listing, {"q": term}).context["cl"].queryset.count() == count, term
    assert client.get(page).status_code == 200
    assert client.post(page, {"reason": "another"}).status_code == 403
    delete = reverse("admin:celeriac_core_audit_delete", args=[entry.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
    client.post(listing, data)
    assert client.get(reverse("admin:celeriac_core_audit_add")).status_code == 403
    assert Audit.objects.get().reason == "the moon"


def test_each_job_of_a_filter_tells_who_moved_it(client, monkeypatch):
    """On its own page with a link to the others, and in the trail by its id."""
    user = member("admin", is_superuser=True)
    client.force_login(user)
    monkeypatch.setattr(runner, "BATCH", 2)
    jobs, other = dead_jobs(3), JobFactory(state="succeeded")
    services.bulk_start(verb="retry", filter={}, actor=user, reason="full moon")
    entry = Audit.objects.get()
    assert (entry.count, entry.batches.count()) == (3, 2)
    listing = reverse("admin:celeriac_core_audit_changelist")
    for job, count in ((jobs[0], 1), (jobs[2], 1), (other, 0)):
        page = client.get(reverse("admin:celeriac_jobs_job_change", args=[job.pk])).content.decode()
        assert page.count(f"by {user}: full moon") == count
        assert (reverse("admin:celeriac_core_audit_change", args=[entry.pk]) in page) is bool(count)
        found = client.get(listing, {"q": str(job.pk)}).context["cl"].queryset
        assert found.count() == count


def test_a_job_of_a_filter_tells_that_it_was_made_due(client):
    """A change of what, its page would not say otherwise."""
    user = member("admin", is_superuser=True)
    client.force_login(user)
    job = JobFactory(run_at=timezone.now() + timedelta(days=1))
    services.bulk_start(verb="run_now", filter={}, actor=user, reason="hurry")
    page = client.get(reverse("admin:celeriac_jobs_job_change", args=[job.pk])).content.decode()
    assert f"by {user}: hurry (run_now: True)" in page


def test_the_trail_is_filtered_by_whatever_it_speaks_of():
    """The choices are written down, since asking the table for them would read all of it."""
    written = {
        name
        for folder in ("apps", "celeriac")
        for file in (ROOT / folder).rglob("*.py")
        for name in re.findall(r'audit\.record\(\s*[^,]+,\s*"([a-z ]+)"', file.read_text())
    }
    models = {
        page.audited_name()
        for model, page in admin.site._registry.items()
        if isinstance(page, AuditedAdmin)
    }
    assert written | models == set(audited_targets())
