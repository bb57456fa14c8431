"""What the tests of the control room's signals share."""

import pytest

from apps.core.counting.counts import process
from apps.core.counting.publish import Publisher
from apps.ops.signals import health, metrics

TOKEN = "scrape-me"


@pytest.fixture
def scrape(client, settings):
    """Return a function that publishes what this process counted and scrapes the page."""
    settings.METRICS_TOKEN = TOKEN

    def page():
        Publisher().publish()
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
