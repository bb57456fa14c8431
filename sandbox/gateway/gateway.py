"""The gateway whole: its parts, its journal and its server."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.common.down import Outage
from sandbox.common.http import Answer, LoopbackServer, Request
from sandbox.common.journal import Journal
from sandbox.gateway.api import Api
from sandbox.gateway.bank import Bank
from sandbox.gateway.clock import Clock
from sandbox.gateway.control import GatewayControl
from sandbox.gateway.control_api import control_api
from sandbox.gateway.faults import FaultInjector, FaultSettings
from sandbox.gateway.idempotency import IdempotencyStore
from sandbox.gateway.stats import Stats
from sandbox.gateway.webhooks import Webhooks

WEBHOOK_SECRET = "whsec_sandbox"  # noqa: S105 a stand-in's, good for nothing else


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """How a gateway starts; an empty `api_key` admits every `sk_test_…` key."""

    port: int = 0
    api_key: str = ""
    reference_key: str = "reference"
    webhook_url: str = ""
    webhook_secret: str = WEBHOOK_SECRET
    journal: str | os.PathLike[str] | None = None


class Gateway:
    """A payment gateway on loopback that speaks enough of Stripe's v1 API."""

    def __init__(self, options: GatewayOptions, settings: FaultSettings) -> None:
        self.clock, self.stats, self.outage = Clock(), Stats(), Outage()
        self.faults = FaultInjector(settings)
        self.journal = Journal(options.journal)
        self.bank = Bank(self.clock, self.journal)
        self.keys = IdempotencyStore(self.clock, self.journal)
        self.webhooks = Webhooks(self.faults, options.webhook_url, options.webhook_secret)
        self.bank.on_event = self.webhooks.publish
        self.reference_key = options.reference_key
        self._api = Api(
            bank=self.bank,
            keys=self.keys,
            faults=self.faults,
            stats=self.stats,
            outage=self.outage,
            clock=self.clock,
            journal=self.journal,
            api_key=options.api_key,
            reference_key=options.reference_key,
        )
        self._control = control_api(self)
        self._restore()
        self._server = LoopbackServer(self._answer, options.port)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    def start(self) -> None:
        """Serve and deliver, from threads."""
        self.webhooks.start()
        self._server.start()

    def stop(self) -> None:
        """Stop serving and delivering; what waits is cut short."""
        self._api.stop()
        self._server.stop()
        self.webhooks.stop()
        self.journal.close()

    def reset(self) -> None:
        """Be as at the start; returns when no request and no delivery is under way.

        Deliveries first: their receiver may call us before it answers.
        """
        with self.webhooks.paused(), self._api.halted():
            with self.bank.lock:
                self.bank.clear()
                self.keys.clear()
                self.journal.clear()
            self.webhooks.reset()
            self.faults.reset()
            self.outage.clear()
            self.clock.reset()
            self.stats.clear()

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith("/_control/"):
            return self._control.answer(request)
        return self._api.answer(request)

    def _restore(self) -> None:
        for record in self.journal.read():
            if "table" in record:
                self.bank.restore(record["table"], record["row"])
            else:
                self.keys.restore(record)


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway in this process: where it is, and its control."""

    url: str
    control: GatewayControl
    webhook_secret: str


@contextlib.contextmanager
def running_gateway(
    options: GatewayOptions | None = None, settings: FaultSettings | None = None
) -> Iterator[RunningGateway]:
    """Run a gateway on a free port until the block ends."""
    options = options or GatewayOptions()
    gateway = Gateway(options, settings or FaultSettings())
    gateway.start()
    try:
        yield RunningGateway(gateway.url, GatewayControl(gateway.url), options.webhook_secret)
    finally:
        gateway.stop()
