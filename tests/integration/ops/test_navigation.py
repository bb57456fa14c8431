"""The sidebar leads everybody to what they may see; Celery's results are only read."""

import re
import sys
from types import ModuleType

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse
from django_celery_results.models import GroupResult, TaskResult

from config import urls
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db

NAMES = [f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist" for m in admin.site._registry]


@pytest.fixture(autouse=True)
def with_flower(settings):
    """Let there be a Flower."""
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": "flower:a-long-enough-password"}


def links(client):
    """Return where the sidebar leads."""
    page = client.get(reverse("admin:password_change")).content.decode()
    found = re.search(r'id="nav-sidebar-apps".*?</ol>\s*</div>\s*</div>', page, re.DOTALL)
    return set(re.findall(r'href="(/[^"]*)"', found[0]))


def test_whoever_may_do_everything_is_led_to_every_page(client):
    """Also to one that a later app registers, or this fails."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    expected = {reverse(name) for name in NAMES}
    others = {reverse(n) for n in ("admin:index", "admin:ops_dead_letters", "flower:index")}
    assert links(client) == expected | others


def test_a_project_without_flower_shows_a_job(client, settings, monkeypatch):
    """The page asked where Flower is, to see who may open each of its links."""
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": ""}
    module = ModuleType("without_flower")
    module.urlpatterns = [
        each for each in urls.urlpatterns if getattr(each, "namespace", "") != "flower"
    ]
    monkeypatch.setitem(sys.modules, "without_flower", module)
    settings.ROOT_URLCONF = "without_flower"
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    job = JobFactory()
    page = client.get(reverse("admin:celeriac_jobs_job_change", args=[job.pk]))
    assert f"Queue {job.queue}" in page.content.decode()


@pytest.mark.parametrize(
    ("codename", "name"),
    [
        ("view_flower", "flower:index"),
        ("view_job", "admin:ops_dead_letters"),
        ("view_audit", "admin:celeriac_core_audit_changelist"),
        ("change_periodictask", "admin:django_celery_beat_periodictask_changelist"),
    ],
)
def test_a_line_is_for_those_who_may_see_its_page(client, codename, name):
    """And for nobody else."""
    user = UserFactory(is_staff=True)
    client.force_login(user)
    assert links(client) == {reverse("admin:index")}
    user.user_permissions.add(Permission.objects.get(codename=codename))
    assert reverse(name) in links(client)
    assert client.get(reverse(name)).status_code in (200, 502)


def test_there_is_no_line_for_a_flower_that_is_not_there(client, settings):
    """It would lead to an error."""
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": ""}
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert reverse("flower:index") not in links(client)


@pytest.mark.parametrize("model", [TaskResult, GroupResult])
def test_celerys_results_are_read_and_not_written(client, model):
    """Not by a superuser either: it would leave no audit row."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    key = {"task_id": "a"} if model is TaskResult else {"group_id": "a"}
    row = model.objects.create(**key, content_type="json", content_encoding="utf-8")
    base = f"admin:django_celery_results_{model._meta.model_name}"
    assert client.get(reverse(f"{base}_changelist"), {"q": "a"}).status_code == 200
    assert client.get(reverse(f"{base}_change", args=[row.pk])).status_code == 200
    assert client.post(reverse(f"{base}_add"), key).status_code == 403
    assert client.post(reverse(f"{base}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
