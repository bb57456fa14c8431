"""The main job with real processes: orders are paid and their receipts mailed, once."""

import pytest

from apps.notifications.models import Email
from apps.orders.models import Order
from tests.factories_domain import OrderFactory
from tests.support.processes import wait_until
from tests.support.providers import (  # noqa: F401 fixtures
    _gateway_server,
    _mailsink_server,
    circuits,
    gateway,
    mailsink,
)


@pytest.fixture
def platform(processes, gateway, mailsink, settings):  # noqa: F811 the fixtures above
    """Run a dispatcher and a worker that call this test's gateway and mail sink."""
    env = {
        "STRIPE_API_BASE": settings.STRIPE_API_BASE,
        "PAYMENTS_TIMEOUT": "2",
        "EMAIL_URL": f"smtp://{settings.EMAIL_HOST}:{settings.EMAIL_PORT}",
        "EMAIL_TIMEOUT": "2",
    }
    processes.dispatcher(env=env)
    processes.worker(queues=["payments", "notifications"], env=env)


def test_orders_are_settled_and_told_about_exactly_once(platform, gateway, mailsink):  # noqa: F811 the fixtures above
    """Faults on both sides; the provider's own books and the sink's own mail agree with ours."""
    gateway.faults(seed=3, drop_rate=0.1, error_rate=0.1, decline_rate=0.1)
    mailsink.faults(seed=3, refuse_rate=0.1)
    orders = [OrderFactory() for _ in range(30)]
    wait_until(lambda: not Order.objects.placed().exists(), timeout=120)
    done = Email.objects.filter(state="accepted")
    wait_until(lambda: done.count() == len(orders), timeout=120)
    charges = gateway.stats()["charges"]["by_reference"]
    paid = {f"order:{order.id}" for order in Order.objects.paid()}
    assert charges == dict.fromkeys(paid, 1)
    receipts = Email.objects.filter(template="orders/receipt")
    assert set(receipts.values_list("reference", flat=True)) == paid
    sent = mailsink.stats()["by_message_id"]
    assert sent == {email.message_id: 1 + email.resends_after_unknown for email in done}
