"""Every URL of the project, enumerated from the URL conf, by visitors who may see nothing.

A URL that is added later is covered without a change here. One that is meant for everybody is
named in PUBLIC, with the reason; what an admin without permissions may open, in BARE_STAFF.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import pytest
from django.apps import apps
from django.contrib.admin.utils import quote
from django.core.cache import caches
from django.test import Client
from django.urls import URLResolver, get_resolver, resolve
from django.utils.regex_helper import normalize

from apps.notifications.models import Email
from celeriac.core import audit
from celeriac.jobs.models import Job
from tests.factories import AttemptFactory, JobFactory, UserFactory
from tests.factories_api import GrantFactory
from tests.factories_domain import CampaignFactory, EmailFactory, OrderFactory, PaymentFactory
from tests.factories_schedules import PeriodicTaskFactory

#: It stands in every row that nobody here may read.
MARK = "leak-marker-4711"

#: Names of URLs that answer everybody.
PUBLIC = {
    "admin:login": "the login form",
    "notifications:unsubscribe": "a link in a mail; the token in it is the permission",
    "api:schema": "what the API takes is no secret",
    "api:docs": "likewise",
    "monitoring:healthz": "whether the process is alive",
    "monitoring:readyz": "whether it can work",
    "health": "likewise",
    "ready": "likewise",
}
#: Names of URLs that show staff without any permission a page without any data.
BARE_STAFF = {
    "admin:index",
    "admin:password_change",
    "admin:password_change_done",
    "admin:jsi18n",
    "admin:search",
    "console:dashboard-data",
}
#: What ends the session that the other requests need.
ENDS_SESSION = {"admin:logout"}
#: The admin takes any other method for a GET.
METHODS = {"admin": ("get", "post"), "": ("get", "post", "put", "patch", "delete")}
#: What parameters of these names are given; others get the key of a row, or a guess.
VALUES = {"token": "x", "path": "nowhere", "url": "nowhere", "app_label": "celeriac_jobs"}
#: Rows that requests of nobody may leave: sessions, and what the process notes of itself.
NOTES = {"sessions.Session", "contenttypes.ContentType", "auth.Permission"}

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Address:
    """A URL of the project: its name with namespaces, and a path that leads there."""

    name: str
    path: str

    def __str__(self):
        """Show both."""
        return f"{self.name or 'a URL without a name'} ({self.path})"


def patterns(resolver, prefix="", names=()):
    """Yield `(name, regular expressions joined)` for every pattern below a resolver."""
    for each in resolver.url_patterns:
        here = (*prefix, each.pattern)
        if isinstance(each, URLResolver):
            inside = (*names, each.namespace) if each.namespace else names
            yield from patterns(each, here, inside)
        else:
            yield ":".join([*names, each.name or ""]), here, each.callback


def path_of(parts, values):
    """Return a path that the joined patterns match, its parameters drawn from `values`."""
    text, parameters = "", []
    for part in parts:
        form, names = normalize(part.regex.pattern)[0]
        text += form
        parameters += names
    return "/" + text % {name: values.get(name, values[""]) for name in parameters}


def key_of(name):
    """Return the key of a row that an admin URL of that name would show, None for others."""
    words = name.removeprefix("admin:").split("_")
    for label in apps.app_configs:
        for model in apps.get_app_config(label).get_models():
            own = f"{label}_{model._meta.model_name}"
            if name.startswith("admin:") and "_".join(words).startswith(f"{own}_"):
                row = model._default_manager.first()
                return None if row is None else quote(row.pk)
    return None


def addresses():
    """Return every URL that a path could be made for, which must be every URL."""
    job = str(Job.objects.first().pk)
    found, missed = [], []
    for name, parts, callback in patterns(get_resolver(), ()):
        tries = [key_of(name), job, "1", "default", "x", "workers"]
        for value in filter(None, tries):
            path = path_of(parts, {"": value, **VALUES})
            if leads_to(path, callback):
                found.append(Address(name, path))
                break
        else:
            missed.append(name)
    assert not missed, f"no path leads to {missed}: teach addresses() a value for it"
    return found


def leads_to(path, callback):
    """Say whether the path is the callback's own."""
    try:
        return resolve(path).func is callback
    except Exception:
        return False


@pytest.fixture
def secrets():
    """Make rows of every kind that matters, each with the mark in its text."""
    person = UserFactory(email=f"{MARK}@example.com", first_name=MARK)
    job = JobFactory(args={"name": MARK}, state="dead", error=MARK, result=MARK, tenant=MARK)
    AttemptFactory(job=job, message=MARK, error_class=MARK)
    OrderFactory(email=f"{MARK}@example.com")
    PaymentFactory(reference=MARK)
    EmailFactory(recipient=f"{MARK}@example.com")
    CampaignFactory(name=MARK)
    PeriodicTaskFactory(name=MARK, every=timedelta(hours=1))
    GrantFactory(account__name=MARK)
    audit.record(verb="job.retry", target_type="job", target_id=MARK, actor=person, reason=MARK)
    caches["default"].clear()
    assert Email.objects.exists()


def everything():
    """Return every row of the database, but what a request may note of itself."""
    rows = {}
    for model in apps.get_models():
        if model._meta.managed and model._meta.label not in NOTES:
            rows[model._meta.label] = json.dumps(
                list(model._default_manager.order_by("pk").values()), default=str
            )
    return rows


@cache
def client_of(user):
    """Return a signed-in client."""
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    return client


def is_shut(response):
    """Say whether an answer shows nothing: a refusal, or the way to the login or the front."""
    if response.status_code in (301, 302):
        target = response["Location"]
        return target.startswith("/") and not target.startswith("//")
    return 400 <= response.status_code < 500


def look(user, open_to):
    """Ask for every URL with every method; return what was wrong."""
    faults = []
    for address in addresses():
        if address.name in ENDS_SESSION:
            continue
        for method in METHODS["admin" if address.name.startswith("admin:") else ""]:
            response = getattr(client_of(user), method)(address.path)
            text = body_of(response)
            if MARK in text:
                faults.append(f"{method.upper()} {address} shows a secret")
            elif address.name not in open_to and not is_shut(response):
                faults.append(f"{method.upper()} {address} answers {response.status_code}")
            elif response.status_code >= 500 and address.name not in open_to:
                faults.append(f"{method.upper()} {address} fails: {response.status_code}")
    return faults


def body_of(response):
    """Return the text of an answer, headers included."""
    content = b"".join(response) if response.streaming else response.content
    return content.decode(errors="replace") + str(dict(response.items()))


VISITORS = {
    "nobody": (None, set(PUBLIC)),
    "a user who is no staff": ({"is_staff": False}, set(PUBLIC)),
    "staff without permissions": ({"is_staff": True}, set(PUBLIC) | BARE_STAFF),
}


@pytest.mark.parametrize("who", VISITORS)
def test_no_url_shows_or_changes_anything_for(secrets, who):
    """Each method of each URL: refused or sent to the login, and every row stands as it stood."""
    flags, open_to = VISITORS[who]
    user = None if flags is None else UserFactory(email="visitor@example.com", **flags)
    client_of.cache_clear()
    client_of(user)
    before = everything()
    assert look(user, open_to) == []
    after = everything()
    changed = [label for label, rows in after.items() if rows != before[label]]
    assert changed == []


def test_the_lists_name_what_exists():
    """So that no exception outlives its URL; those of parts to come may stand."""
    names = {name for name, _, _ in patterns(get_resolver(), ())}
    assert len(names) > 100
    assert names >= BARE_STAFF - {"admin:search"}
    assert {"admin:login", "notifications:unsubscribe"} <= names & set(PUBLIC)
