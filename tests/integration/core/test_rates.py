"""Addresses that are open to everyone are throttled, generously, also while the store is away."""

import json
import time

import pytest
from django.core.cache import caches
from django.urls import get_resolver

from celeriac.core import rates
from celeriac.settings import conf
from tests.integration.test_urls_guarded import PUBLIC, patterns
from tests.support.conf import configure

pytestmark = pytest.mark.django_db

DOORS = {
    "/webhooks/stripe/": "WEBHOOK_CALLS_PER_MINUTE",
    "/unsubscribe/x/": "PUBLIC_CALLS_PER_MINUTE",
    "/api/schema/": "PUBLIC_CALLS_PER_MINUTE",
    "/api/docs/": "PUBLIC_CALLS_PER_MINUTE",
    "/api/v1/token/": "API_TOKEN_CALLS_PER_MINUTE",
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Count anew, in a minute that does not turn."""
    caches[rates.CACHE].clear()
    rates.counts.reset()
    moment = time.time() // rates.WINDOW * rates.WINDOW + 10
    monkeypatch.setattr("celeriac.core.rates.time.time", lambda: moment)
    yield
    caches[rates.CACHE].clear()
    rates.counts.reset()


def knock(client, path, **meta):
    """Send what the door takes, so that its own refusal is another than ours."""
    if path.startswith(("/webhooks", "/api/v1")):
        return client.post(path, "{}", content_type="application/json", **meta)
    return client.get(path, **meta)


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("is_away", [False, True], ids=["shared", "cache away"])
def test_an_address_that_knocks_too_often_is_told_when_to_come_back(
    client, settings, path, is_away
):
    """429 with Retry-After, for that address alone; each process counts while the cache is away."""
    configure(settings, **{DOORS[path]: 3})
    if is_away:
        gone = settings.CACHES["api"] | {"LOCATION": "redis://127.0.0.1:1"}
        settings.CACHES = settings.CACHES | {"api": gone}
    codes = [knock(client, path).status_code for _ in range(3)]
    assert 429 not in codes
    refused = knock(client, path)
    assert (refused.status_code, refused["Retry-After"]) == (429, "50")
    assert knock(client, path, REMOTE_ADDR="192.0.2.1").status_code != 429


def test_every_public_address_is_among_them():
    """Derived from the URL conf's own list; probes and the sign-in have limits of their own."""
    own = {"monitoring:healthz", "monitoring:readyz", "health", "ready", "admin:login"}
    names = {name for name, _, _ in patterns(get_resolver(), ())}
    public = (set(PUBLIC) & names) - own | {"payments:stripe-webhook", "api:token"}
    assert {name.rpartition(":")[2].partition("-")[0] for name in public} == {
        path.strip("/").replace("api/", "").replace("v1/", "").partition("/")[0].replace(
            "webhooks", "stripe")
        for path in DOORS
    }  # fmt: skip


def test_a_burst_of_genuine_events_passes(settings):
    """A provider that was held up sends an outage's events at once."""
    assert settings.WEBHOOK_CALLS_PER_MINUTE >= 6000
    assert conf.PUBLIC_CALLS_PER_MINUTE >= 300


def test_the_docs_are_shown_in_production_on_demand_only(client, settings):
    """The schema stays: clients are made from it."""
    assert client.get("/api/docs/").status_code == 200
    settings.CELERIAC = {**settings.CELERIAC, "API_DOCS": False}
    answer = client.get("/api/docs/")
    assert (answer.status_code, json.loads(answer.content)["status"]) == (404, 404)
