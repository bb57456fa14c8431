"""Stand-ins in this process, fresh for each test; none of these tests needs a database."""

import pytest

from sandbox.gateway import running_gateway
from sandbox.mailsink import running_mailsink
from tests.integration.sandbox.tools import Receiver, stripe_client


@pytest.fixture
def gateway():
    """Run a gateway without faults."""
    with running_gateway() as running:
        yield running


@pytest.fixture
def client(gateway):
    """Return the official SDK's client of the gateway."""
    with stripe_client(gateway.url) as client:
        yield client


@pytest.fixture
def receiver(gateway):
    """Run a webhook endpoint that the gateway delivers to."""
    with Receiver() as receiver:
        gateway.control.webhooks(url=receiver.url)
        yield receiver


@pytest.fixture
def mailsink():
    """Run a mail sink without faults."""
    with running_mailsink() as running:
        yield running
