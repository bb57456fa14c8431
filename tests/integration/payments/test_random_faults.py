"""Whatever goes wrong, in whatever order: the books balance."""

import random

import pytest
from django.db.models import F

from apps.payments import services
from apps.payments.gateways.stripe import StripeGateway
from apps.payments.models import Difference, Operation, Payment
from apps.payments.states import FINAL
from celeriac.breakers.api import CircuitOpen
from celeriac.core.clock import db_now
from celeriac.jobs.models import Job
from celeriac.settings import conf
from tests.factories_domain import PaymentFactory, work
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

FAULTS = {
    "drop_rate": 0.12,
    "error_rate": 0.12,
    "decline_rate": 0.06,
    "rate_limit_rate": 0.06,
    "error_when": "after",
}


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def deadly(monkeypatch):
    """Let one call in ten end with its process, before or after the provider was asked."""
    perform = StripeGateway.perform
    chance = random.Random(7)  # noqa: S311 not a secret

    def maybe(self, *args):
        roll = chance.random()
        if roll < 0.05:
            raise Killed
        answer = perform(self, *args)
        if roll > 0.95:
            raise Killed
        return answer

    monkeypatch.setattr(StripeGateway, "perform", maybe)


def survive(action):
    """Run the action; a kill ends the run, and the rescuer queues its job again."""
    try:
        action()
    except Killed:
        Job.objects.running().update(state="queued", claim_id=None, losses=F("losses") + 1)


def settled():
    """Run jobs once; return whether every operation is settled or waits for a human."""
    survive(lambda: work(rounds=1))
    return not Operation.objects.exclude(state__in=FINAL).filter(review_at=None).exists()


def reconciled(since):
    """Compare the books; return whether the circuit let us: a 429 opens it for a while."""
    try:
        services.payments_reconcile(since=since, until=db_now())
    except CircuitOpen:
        return False
    return True


@pytest.mark.parametrize("seed", [1, 2])
def test_random_faults_and_kills_charge_each_payment_at_most_once(gateway, settings, deadly, seed):
    """And leave nothing unknown but what waits for a human."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {
            **conf.BREAKERS,
            "payments": {"min_volume": 1000, "window_calls": 1000},
        },
    }
    gateway.faults(seed=seed, **FAULTS)
    payments = [PaymentFactory() for _ in range(30)]
    for _ in range(40):
        survive(lambda: work(rounds=1))
    gateway.faults(**dict.fromkeys([name for name in FAULTS if name.endswith("rate")], 0.0))
    wait_until(settled, timeout=120)
    for payment in Payment.objects.filter(state="succeeded")[:20]:
        services.payment_refund(payment_id=payment.id, amount=500)
    wait_until(settled, timeout=120)
    wait_until(lambda: reconciled(payments[0].created_at), timeout=60)
    check_books(gateway)


def check_books(gateway):
    """Compare every payment with what the gateway really did."""
    charges = gateway.stats()["charges"]["by_reference"]
    for payment in Payment.objects.all():
        expected = 1 if payment.state == "succeeded" else 0
        assert charges.get(payment.reference, 0) == expected, payment.state
        assert payment.captured_amount >= payment.refunded_amount
    waiting = Operation.objects.open().filter(review_at__isnull=True)
    assert not waiting.exists(), list(waiting.values("state", "attempts", "error_message"))
    assert not Job.objects.running().exists()
    refunded = sum(Payment.objects.values_list("refunded_amount", flat=True))
    assert refunded == gateway.stats()["refunds"]["amount"] > 0
    assert not Difference.objects.exists()
