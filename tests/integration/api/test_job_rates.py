"""An account's jobs are bounded as well as its calls: each item counts."""

import pytest

from celeriac.core import rates
from celeriac.http import throttling
from tests.integration.api.conftest import Caller, make_account

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Return a clock of ours, in minutes."""
    at = {"minute": 29_000_000}
    monkeypatch.setattr("celeriac.core.rates.time.time", lambda: at["minute"] * 60.0 + 10)
    monkeypatch.setattr("celeriac.http.throttling.time.time", lambda: at["minute"] * 60.0 + 10)
    return at


@pytest.fixture
def bulk(settings):
    """Let a full bulk call be 10 jobs, so that the test is quick."""
    settings.CELERIAC = {**settings.CELERIAC, "API_MAX_BULK_JOBS": 10}


def send(caller, count):
    """Send that many jobs in one call and return the status."""
    return caller.post("jobs/bulk/", {"jobs": [{"kind": "test.noop"}] * count})


def test_each_item_of_a_bulk_call_counts(bulk):
    """It counted as one: a minute's calls were twelve million jobs."""
    caller, other = Caller(make_account(jobs_per_minute=12)), Caller(make_account())
    assert [send(caller, 10).status_code, send(caller, 3).status_code] == [201, 429]
    refused = caller.enqueue("test.noop")
    assert refused.status_code == 201  # what was refused costs nothing
    assert [send(caller, 1).status_code, send(caller, 1).status_code] == [201, 429]
    assert send(caller, 1)["Retry-After"] == "50"
    assert send(other, 10).status_code == 201


def test_an_account_at_rest_may_always_send_one_full_bulk_call(bulk, clock):
    """However small its share; it pays by resting for as long as that takes."""
    caller = Caller(make_account(jobs_per_minute=2))
    assert [send(caller, 10).status_code, send(caller, 1).status_code] == [201, 429]
    clock["minute"] += 4
    assert send(caller, 1).status_code == 429
    clock["minute"] += 1
    assert send(caller, 10).status_code == 201


def test_a_real_full_call_fits_an_hours_rest_whatever_the_share():
    """Ten thousand at once, of an account with one a minute."""
    account = make_account(jobs_per_minute=1)
    throttling.take_jobs(account, 10_000)
    with pytest.raises(throttling.Throttled):
        throttling.take_jobs(account, 1)


def test_items_are_counted_here_while_the_cache_is_away(settings, bulk):
    """Never held up, never unbounded."""
    gone = settings.CACHES["api"] | {"LOCATION": "redis://127.0.0.1:1"}
    settings.CACHES = settings.CACHES | {"api": gone}
    caller = Caller(make_account(jobs_per_minute=12))
    assert [send(caller, 10).status_code, send(caller, 10).status_code] == [201, 429]
    assert rates.counts._muted_until > 0
