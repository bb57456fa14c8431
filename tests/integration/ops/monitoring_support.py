"""What the tests of signals share."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from celeriac.core.counting.counters import process
from celeriac.core.counting.publish import TotalsPublisher
from celeriac.monitoring import health, metrics

#: CONTRACT's list: names, types and labels.
CONTRACT = {
    "celeriac_jobs_enqueued_total": ("counter", {"kind", "queue"}),
    "celeriac_runs_total": ("counter", {"kind", "queue", "outcome"}),
    "celeriac_run_seconds": ("histogram", {"kind"}),
    "celeriac_wait_seconds": ("histogram", {"kind", "queue"}),
    "celeriac_queue_depth": ("gauge", {"queue", "view"}),
    "celeriac_queue_oldest_seconds": ("gauge", {"queue"}),
    "celeriac_rings_total": ("counter", {"queue"}),
    "celeriac_stale_writes_total": ("counter", set()),
    "celeriac_rescued_total": ("counter", set()),
    "celeriac_commit_hooks_failed_total": ("counter", {"kind"}),
    "celeriac_answers_total": ("counter", {"process"}),
    "celeriac_garbage_total": ("counter", {"source"}),
    "celeriac_breaker_state": ("gauge", {"name"}),
    "celeriac_dispatcher_lag_seconds": ("gauge", set()),
    "celeriac_worker_heartbeat_age_seconds": ("gauge", {"worker"}),
}


def families(page):
    """Return the families of a page by the name that the contract gives them."""
    found = {}
    for family in text_string_to_metric_families(page):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = family
    return found


def value(page, sample, /, **labels):
    """Return one sample's value, None where it is not there."""
    for family in families(page).values():
        for each in family.samples:
            if each.name == sample and each.labels == labels:
                return each.value
    return None


TOKEN = "scrape-me"


@pytest.fixture
def scrape(client, settings):
    """Return a function that publishes what this process counted and scrapes the page."""
    settings.CELERIAC = {**settings.CELERIAC, "METRICS_TOKEN": TOKEN}

    def page():
        TotalsPublisher().publish()
        metrics._depths.forget()
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200, answer.content
        return answer.content.decode()

    return page


@pytest.fixture(autouse=True)
def fresh():
    """Start with nothing counted, and nothing remembered of the tests before."""
    process.take()
    health.readiness.forget()
    metrics._depths.forget()
