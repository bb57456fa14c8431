"""Any sequence of faults, kills and webhook orders: the books balance.

On real processes: 60 payments in the suite, `PAYMENTS=200` for the long run. What the provider
does and when workers die follows from `SEED`.
"""

import os
import random
import time

import pytest
from django.db.models import F

from apps.payments import services
from apps.payments.errors import PaymentError
from apps.payments.models import Difference, Operation, Payment, WebhookEvent
from celeriac.breakers.api import CircuitOpen, clear
from celeriac.core.clock import Now, db_now
from celeriac.jobs.models import Job
from tests.factories_domain import PaymentFactory
from tests.support.processes import wait_until
from tests.support.providers import (  # noqa: F401 fixtures
    _gateway_server,
    circuits,
    gateway,
)

PAYMENTS = int(os.environ.get("PAYMENTS", "60"))
SEED = int(os.environ.get("SEED", "11"))
KILLS = 2
#: Seconds: many times what it takes.
PATIENCE = 60 + PAYMENTS
#: Short leases and waits, so that nothing need be waited for long.
FAST = {
    "CELERIAC_HEARTBEAT_SECONDS": "0.4",
    "CELERIAC_WORKER_LEASE_SECONDS": "2.5",
    "CELERIAC_QUEUE_LEASE_SECONDS": "3",
    "PAYMENTS_TIMEOUT": "1",
    "PAYMENTS_RESOLVE_BASE_SECONDS": "0.2",
    "PAYMENTS_RESOLVE_CAP_SECONDS": "1",
    "PAYMENTS_LOOKUP_SETTLE_SECONDS": "2",
}
#: Each is one way for the provider to misbehave for a while.
FAULTS = [
    {"drop_rate": 0.3},
    {"error_rate": 0.3, "error_when": "before"},
    {"error_rate": 0.2, "error_when": "during"},
    {"error_rate": 0.3, "error_when": "after"},
    {"decline_rate": 0.3},
    {"rate_limit_rate": 0.2, "retry_after_seconds": 1},
    {"delay_rate": 0.1, "delay_seconds": 1.5, "delay_when": "after"},
    {"delay_rate": 0.1, "delay_seconds": 1.5, "delay_when": "before"},
    {"search_lag_seconds": 1.0, "drop_rate": 0.2},
]
CALM = {
    "drop_rate": 0.0,
    "error_rate": 0.0,
    "decline_rate": 0.0,
    "rate_limit_rate": 0.0,
    "delay_rate": 0.0,
    "search_lag_seconds": 0.0,
}
WEBHOOKS = {
    "webhook_late_rate": 0.2,
    "webhook_late_seconds": 1.0,
    "webhook_duplicate_rate": 0.3,
    "webhook_reorder_rate": 0.3,
    "webhook_reorder_seconds": 1.0,
    "webhook_forge_rate": 0.2,
    "webhook_stale_rate": 0.2,
}


@pytest.fixture
def start_worker(processes, gateway, settings, live_server):  # noqa: F811 the fixture above
    """Run a dispatcher; return a starter of workers. The gateway's webhooks reach this site."""
    gateway.webhooks(url=f"{live_server.url}/webhooks/stripe/")
    env = {**FAST, "STRIPE_API_BASE": settings.STRIPE_API_BASE}
    processes.dispatcher(env=env).wait_for_output("dispatcher ready")
    return lambda: processes.worker(queues=["payments"], concurrency=4, env=env)


class Trouble:
    """What goes wrong next, as the seed has it."""

    def __init__(self, gateway, chance):  # noqa: F811 the fixture above
        """Start with webhooks that come late, twice, forged and out of order."""
        self.gateway, self.chance = gateway, chance
        gateway.faults(seed=SEED, **CALM, **WEBHOOKS)

    def strike(self):
        """Change how the provider misbehaves."""
        roll = self.chance.random()
        if roll < 0.15:
            self.gateway.down(0.7, mode=self.chance.choice(["reset", "unavailable"]))
        elif roll < 0.3:
            self.gateway.webhooks(hold=True)
        elif roll < 0.45:
            self.gateway.webhooks(hold=False)
            self.gateway.release_webhooks(self.chance.choice(["reversed", "shuffled"]))
        else:
            self.gateway.faults(**{**CALM, **self.chance.choice(FAULTS)})

    def end(self):
        """Let the provider be well, and tell what it held back, shuffled."""
        self.gateway.faults(**CALM)
        self.gateway.up()
        self.gateway.webhooks(hold=False)
        self.gateway.release_webhooks("shuffled")
        clear("payments", actor="cli", reason="the provider is well again")


def refund_some(chance):
    """Ask for a part of a few captured payments back, some of it more than once."""
    paid = list(Payment.objects.filter(state="succeeded"))
    for payment in chance.sample(paid, min(3, len(paid))):
        try:
            services.payment_refund(payment_id=payment.id, amount=chance.choice([400, 1000, 2500]))
        except PaymentError:
            continue  # more than is left


def hurry():
    """Bring what waits forward: days of backoff are not the point."""
    late = Job.objects.filter(state="queued", run_at__gt=Now(), queue="payments")
    late.update(run_at=Now())


def all_settled():
    """Return whether every operation is settled or waits for a human, and every job is done."""
    hurry()
    left = Operation.objects.open().filter(review_at=None)
    return not left.exists() and not Job.objects.filter(state__in=["queued", "running"]).exists()


def settle_all():
    """Wait until nothing is under way; say what is, where that takes too long."""
    try:
        wait_until(all_settled, timeout=PATIENCE, every=0.5)
    except AssertionError as error:
        operations = Operation.objects.open().filter(review_at=None)
        jobs = Job.objects.filter(state__in=["queued", "running"])
        raise AssertionError(
            f"{list(operations.values('kind', 'state', 'lookups', 'error_message')[:9])}"
            f" {list(jobs.values('kind', 'state', 'failures', 'losses', 'wait_reason')[:9])}"
        ) from error


def reconciled(since):
    """Compare the books; return whether the circuit let us."""
    try:
        services.payments_reconcile(since=since, until=db_now())
    except CircuitOpen:
        return False
    return True


def test_random_faults_kills_and_webhook_orders_leave_balanced_books(start_worker, gateway):  # noqa: F811 the fixture above
    """One charge a payment at most, and nothing unknown but what waits for a human."""
    chance = random.Random(SEED)  # noqa: S311 not a secret
    trouble = Trouble(gateway, chance)
    worker = start_worker()
    steps = 20
    deaths = set(chance.sample(range(3, steps - 2), KILLS))
    payments = []
    for step in range(steps):
        payments += [PaymentFactory() for _ in range(PAYMENTS // steps)]
        trouble.strike()
        refund_some(chance)
        if step in deaths:
            worker.kill_group()
            worker = start_worker()
        time.sleep(chance.uniform(0.1, 0.6))  # any moment will do
        hurry()
    trouble.end()
    settle_all()
    wait_until(lambda: reconciled(payments[0].created_at), timeout=60)
    check_books(gateway, payments)


def check_books(gateway, payments):  # noqa: F811 the fixture above
    """Compare every payment with what the gateway really did."""
    charges = gateway.stats()["charges"]["by_reference"]
    assert max(charges.values()) == 1
    waiting = Operation.objects.for_review()
    in_doubt = set(waiting.values_list("payment_id", flat=True))
    for payment in Payment.objects.all():
        assert payment.captured_amount - payment.refunded_amount >= 0
        if payment.id not in in_doubt:
            assert charges.get(payment.reference, 0) == (payment.captured_amount > 0)
            assert payment.state in ("succeeded", "declined"), payment.state
    unknown = Payment.objects.filter(state__in=["pending", "submitted", "unknown"])
    assert set(unknown.values_list("id", flat=True)) <= in_doubt
    refunded = sum(Payment.objects.values_list("refunded_amount", flat=True))
    assert gateway.stats()["refunds"]["amount"] == refunded
    assert not Difference.objects.exists(), list(Difference.objects.values())
    assert not Payment.objects.filter(refunded_amount__gt=F("captured_amount")).exists()
    assert not Job.objects.filter(failures__gt=0, state="running").exists()
    states = list(Payment.objects.values_list("state", flat=True))
    facts = {state: states.count(state) for state in sorted(set(states))}
    losses = Job.objects.filter(losses__gt=0).count()
    print(
        f"{len(payments)} payments, seed {SEED}: {facts}, {sum(charges.values())} charges, "
        f"{refunded} refunded, {WebhookEvent.objects.count()} events, {losses} jobs lost a worker, "
        f"{len(in_doubt)} wait for a human"
    )
