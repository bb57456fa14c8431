"""The pages in a project that has the addresses and settings of docs/library.md, and no Flower."""

import sys
from types import ModuleType

import pytest
from django.urls import reverse

from tests.factories import JobFactory, UserFactory
from tests.support.pages import blocks

pytestmark = pytest.mark.django_db

*_, UNFOLD, ADDRESSES = [b.text for b in blocks("python") if b.page == "docs/library.md"]


@pytest.fixture
def stranger(settings, monkeypatch, client):
    """Return a superuser's client of such a project."""
    names = {}
    exec(UNFOLD, names)  # noqa: S102 our own page
    addresses = ModuleType("stranger_addresses")
    exec(ADDRESSES, addresses.__dict__)  # noqa: S102 our own page
    monkeypatch.setitem(sys.modules, addresses.__name__, addresses)
    settings.ROOT_URLCONF = addresses.__name__
    settings.UNFOLD = names["UNFOLD"]
    settings.CELERIAC = settings.CELERIAC | {"FLOWER_BASIC_AUTH": ""}
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def test_the_landing_page_is_the_dashboard(stranger):
    """With the sidebar, which an app joins where it is installed."""
    page = stranger.get(reverse("admin:index")).content.decode()
    assert 'id="dashboard"' in page
    assert "Dead letters" in page


def test_a_jobs_page_opens_without_flower(stranger):
    """It asked for Flower's address wherever it showed a link. Its app has a name for people."""
    job = JobFactory(state="dead")
    answer = stranger.get(reverse("admin:celeriac_jobs_job_change", args=[job.id]))
    assert answer.status_code == 200
    assert reverse("admin:celeriac_core_audit_changelist") in answer.content.decode()
    assert "Celeriac_Jobs" not in answer.content.decode()
