"""What these tests share: clients of the gateway, a webhook receiver, and waiting."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests
import stripe

from sandbox.common.http import LoopbackServer, Response

ROOT = Path(__file__).parents[3]
DEADLINE = 20


def wait_until(condition, deadline=DEADLINE):
    """Return the condition's first true value; fails after the deadline (seconds)."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("The condition did not come true in time.")


@contextlib.contextmanager
def stripe_client(url, timeout=DEADLINE, key="sk_test_sandbox"):
    """Yield the official SDK's client of a gateway, without retries of its own."""
    with requests.Session() as session:
        session.trust_env = False
        http = stripe.RequestsClient(timeout=timeout, session=session)
        addresses = {"api": url}
        yield stripe.StripeClient(
            key, base_addresses=addresses, max_network_retries=0, http_client=http
        )


def pay(client, *, key=None, amount=1200, reference="order-1", card="pm_card_visa", **more):
    """Create and confirm a payment intent in one call."""
    params = {
        "amount": amount,
        "currency": "eur",
        "confirm": True,
        "payment_method": card,
        "metadata": {"reference": reference},
        **more,
    }
    options = {"idempotency_key": key} if key else {}
    return client.v1.payment_intents.create(params, options)


class Receiver:
    """A webhook endpoint that keeps what it was sent and answers what it is told."""

    def __init__(self):
        self.status = 200
        self.received = []
        self._server = LoopbackServer(self._answer)

    @property
    def url(self):
        """Where webhooks go."""
        return f"{self._server.url}/webhooks/stripe/"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop()

    def events(self):
        """Return the ids of the events received, in order."""
        return [request.json()["id"] for request in self.received]

    def _answer(self, request):
        self.received.append(request)
        return Response.of_json({}, self.status)


@contextlib.contextmanager
def process(module, *arguments, ready_lines=1):
    """Run a stand-in as a process; yield it and its ready lines, and end it in every case."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    with running:
        try:
            yield running, [running.stdout.readline().strip() for _ in range(ready_lines)]
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGTERM)
                running.wait(DEADLINE)
