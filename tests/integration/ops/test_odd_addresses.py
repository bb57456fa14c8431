"""Verbs at addresses that nobody offers: keys that are none, rows that are gone, names in code."""

import re

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from celeriac.jobs.models import Queue
from celeriac.settings import conf
from tests.factories import UserFactory
from tests.integration.test_urls_guarded import path_of, patterns

pytestmark = pytest.mark.django_db

#: What every dialog of every verb would take.
FILLED = {
    "_form_submitted": "on",
    "reason": "x",
    "queue": "default",
    "priority": "1",
    "args": "{}",
    "start_0": "2026-01-01",
    "start_1": "00:00",
    "end_0": "2026-01-02",
    "end_1": "00:00",
}
KEYS = ["notauuid", "9" * 23, "00000000-0000-0000-0000-000000000000", "my_5Fqueue"]


@pytest.fixture
def root():
    """Return a client of somebody who may do everything, who is told of errors as a browser is."""
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def verbs():
    """Yield the parts of each admin address that leads to one row."""
    for name, parts, _ in patterns(get_resolver()):
        text = "".join(str(part) for part in parts)
        if name.startswith("admin:") and "object_id" in text:
            yield name, parts


@pytest.mark.parametrize("key", KEYS)
def test_a_row_that_is_not_there_is_no_error_of_ours(root, key):
    """Each verb and page says that there is none, or leads away; none fails."""
    found = list(verbs())
    assert len(found) > 80
    failed = []
    for name, parts in found:
        path = path_of(parts, {"": key, "object_id": key})
        if (answer := root.post(path, FILLED)).status_code >= 500:
            failed.append((name, answer.status_code))
    assert failed == []


@pytest.mark.parametrize("name", ["my_queue", "a/b", "a b", "b_5Fc"])
def test_a_queue_of_any_name_is_paused_from_its_page(root, settings, name):
    """The admin writes names into addresses in a code of its own, underscores too."""
    settings.CELERIAC = {**settings.CELERIAC, "QUEUES": {**conf.QUEUES, name: {}}}
    Queue.objects.get_or_create(name=name)
    listed = root.get(reverse("admin:celeriac_jobs_queue_changelist")).content.decode()
    pages = set(re.findall(r'href="(/admin/celeriac_jobs/queue/[^"]+/change/)[^"]*"', listed))
    page = next(each for each in pages if root.get(each).context["original"].name == name)
    verb = re.search(
        r'"(/admin/celeriac_jobs/queue/[^"]+/pause/)"', root.get(page).content.decode()
    )[1]
    answer = root.post(verb, FILLED, follow=True)
    assert "Paused." in answer.content.decode()
    assert Queue.objects.get(name=name).paused_at is not None


def test_the_dashboard_leads_to_queues_of_any_name(root, settings):
    """A link that is written as it stands would be read as another name."""
    name = "b_5Fc"
    settings.CELERIAC = {**settings.CELERIAC, "QUEUES": {**conf.QUEUES, name: {}}}
    Queue.objects.get_or_create(name=name)
    queues = root.get(reverse("console:dashboard-data")).json()["queues"]
    link = next(queue["url"] for queue in queues if queue["name"] == name)
    assert root.get(link).context["original"].name == name
