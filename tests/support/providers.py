"""Fixtures: a payment gateway and a mail sink on real sockets, wired into the settings."""

import time

import pytest

from celeriac.breakers import registry, testing
from sandbox.gateway import running_gateway
from sandbox.mailsink import running_mailsink
from tests.support.leftovers import unwatch, watch


def gateway_state(control):
    """Return what a reset of the gateway restores, by part."""
    stats = control.stats()
    return {
        "faults": control.faults(),
        "script": control.scripted(),
        "clock": round((control.now() - time.time()) / 60),
        "webhooks": {name: control.webhooks()[name] for name in ("url", "hold")},
        "deliveries": [control.webhooks()[name] for name in ("pending", "held", "deliveries")],
        "outages": stats["down"],
        "requests": control.requests(),
        "charges": control.charges(),
    }


def mailsink_state(control):
    """Return what a reset of the mail sink restores, by part."""
    stats = control.stats()
    messages = {name: stats[name] for name in ("messages", "replies")}
    return {"faults": control.faults(), "outages": stats["down"], "mail": messages}


@pytest.fixture(scope="session")
def _gateway_server():
    with running_gateway() as running:
        watch("_gateway_server", lambda: gateway_state(running.control))
        yield running
        unwatch("_gateway_server")


@pytest.fixture(scope="session")
def _mailsink_server():
    with running_mailsink() as running:
        watch("_mailsink_server", lambda: mailsink_state(running.control))
        yield running
        unwatch("_mailsink_server")


@pytest.fixture
def circuits(broker):
    """Forget the breakers of other tests; opened by none of the faults that follow."""
    registry.forget_breakers()
    yield
    testing.wait_until_written()  # or what is being written would outlive the rows' restoration
    registry.forget_breakers()


@pytest.fixture
def gateway(_gateway_server, circuits, settings):
    """Yield the control of a gateway without faults that the settings point to."""
    _gateway_server.control.reset()
    settings.STRIPE_API_BASE = _gateway_server.url
    settings.STRIPE_API_KEY = "sk_test_sandbox"
    settings.STRIPE_WEBHOOK_SECRET = _gateway_server.webhook_secret
    settings.PAYMENTS_TIMEOUT = 2.0
    yield _gateway_server.control
    _gateway_server.control.reset()


@pytest.fixture
def mailsink(_mailsink_server, circuits, settings):
    """Yield the control of a mail sink without faults that the settings point to."""
    _mailsink_server.control.reset()
    settings.EMAIL_BACKEND = "celeriac.mail.smtp.SmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = _mailsink_server.host, _mailsink_server.port
    settings.EMAIL_TIMEOUT = 2.0
    yield _mailsink_server.control
    _mailsink_server.control.reset()
