"""The console leaves other people's admin alone, and can be a site of its own at any path."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.paginator import Paginator
from django.urls import reverse

from celeriac.console.sites import address, dress_site
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def own_site(settings, client):
    """Return the client of a superuser of a project whose console is a site of its own."""
    settings.ROOT_URLCONF = "tests.support.own_site"
    settings.CELERIAC = {**settings.CELERIAC, "CONSOLE_SITE": "tests.support.own_site.site"}
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def test_what_django_gives_every_site_stays_as_it_is():
    """Each list of every app went without a count of its rows."""
    assert admin.ModelAdmin.paginator is Paginator
    assert admin.ModelAdmin.show_full_result_count is True
    assert admin.AdminSite.index_template is None


def test_only_the_site_that_is_dressed_is():
    """And of its pages those that it has, not their classes."""
    theirs, dressed = admin.AdminSite("theirs"), admin.AdminSite("dressed")
    for site in (theirs, dressed):
        site.register(Group)
    dress_site(dressed)
    page, other = dressed.get_model_admin(Group), theirs.get_model_admin(Group)
    assert dressed.index_template == "celeriac/dashboard.html"
    assert theirs.index_template is None
    assert other.paginator is Paginator
    assert other.show_full_result_count is True
    assert page.show_full_result_count is False


def test_pages_of_a_site_of_its_own_lead_to_pages_of_that_site(own_site):
    """They led into Django's own, which need not have them, or be there."""
    job = JobFactory(state="dead", error="ValueError: no")
    assert address("admin:celeriac_jobs_job_changelist") == "/ops/jobs/celeriac_jobs/job/"
    places = ["/ops/jobs/", *(reverse(f"jobs:{name}") for name in ("celeriac_dashboard",))]
    places += [f"/ops/jobs/celeriac_jobs/job/{place}" for place in ("", f"{job.id}/change/")]
    places += [reverse("jobs:ops_dead_letters"), reverse("jobs:celeriac_jobs_queue_changelist")]
    for place in places:
        answer = own_site.get(place)
        assert answer.status_code == 200, place
        astray = re.findall(r"(?:href|data-url)=\"(/backstage/celeriac_[^\"]*)", answer.text)
        assert astray == [], place


def test_what_is_done_there_leads_back_there(own_site):
    """A button's dialog, and an action over chosen jobs."""
    job = JobFactory()
    page = f"/ops/jobs/celeriac_jobs/job/{job.id}/change/"
    button = reverse("jobs:celeriac_jobs_job_cancel", args=[job.id])
    done = own_site.post(button, {"reason": "no need", "_form_submitted": "on"})
    assert done.headers["Location"] == page
    job.refresh_from_db()
    assert job.state == "cancelled"
    chosen = {"action": "cancel_chosen", "_selected_action": [str(JobFactory().id)]}
    led = own_site.post("/ops/jobs/celeriac_jobs/job/", chosen)
    assert led.headers["Location"].startswith("/ops/jobs/celeriac_console/bulkaction/apply/cancel")


def test_the_dashboard_has_a_page_of_its_own(client):
    """For a site whose landing page is somebody else's."""
    place = address("admin:celeriac_dashboard")
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    answer = client.get(place)
    assert 'id="dashboard"' in answer.text
    (data,) = re.findall(r'data-url="([^"]+)"', answer.text)
    assert "attention" in client.get(data).json()
    client.force_login(UserFactory(is_staff=True))
    assert client.get(place).status_code == 403
