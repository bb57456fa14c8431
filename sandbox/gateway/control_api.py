"""The gateway's control API, under /_control/: JSON, for demos, tests and chaos."""

from typing import Any, Protocol
from urllib.parse import parse_qsl

from sandbox.common.control import ControlApi, common_verbs
from sandbox.common.down import Outage
from sandbox.common.http import Request
from sandbox.common.options import InvalidOption, check_choice
from sandbox.gateway.bank import Bank, reference_of
from sandbox.gateway.clock import Clock
from sandbox.gateway.faults import FaultInjector
from sandbox.gateway.stats import Stats, charge_report, refund_report
from sandbox.gateway.tables import Json
from sandbox.gateway.webhooks import ORDERS, Webhooks


class Gateway(Protocol):
    """What the verbs need of a gateway."""

    bank: Bank
    clock: Clock
    faults: FaultInjector
    outage: Outage
    reference_key: str
    stats: Stats
    webhooks: Webhooks

    def reset(self) -> object:
        """Forget everything."""


def control_api(gateway: Gateway) -> ControlApi:
    """Return the control API of a gateway."""
    controller, hooks = GatewayController(gateway), gateway.webhooks
    return ControlApi(
        {
            **common_verbs(gateway.faults, gateway.outage),
            "GET /script": lambda request: gateway.faults.scripted(),
            "POST /script": controller.script,
            "DELETE /script": lambda request: gateway.faults.unscript(),
            "GET /clock": lambda request: controller.clock(),
            "PATCH /clock": controller.set_clock,
            "GET /stats": lambda request: controller.stats(),
            "GET /charges": lambda request: controller.charges(),
            "GET /refunds": lambda request: controller.refunds(),
            "GET /requests": controller.requests,
            "GET /webhooks": lambda request: hooks.report(),
            "PATCH /webhooks": controller.configure_webhooks,
            "POST /webhooks/release": controller.release,
            "POST /webhooks/redeliver": controller.redeliver,
            "POST /reset": lambda request: gateway.reset(),
        }
    )


class GatewayController:
    """What the verbs do that are the gateway's own."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def script(self, request: Request) -> list[dict[str, Any]]:
        """Add a scripted fault."""
        self._gateway.faults.script(request.json())
        return self._gateway.faults.scripted()

    def clock(self) -> dict[str, float]:
        """Return the gateway's time."""
        return {"now": self._gateway.clock.now()}

    def set_clock(self, request: Request) -> dict[str, float]:
        """Set the clock to `now`, then move it by `advance`."""
        wanted = request.json()
        if "now" in wanted:
            self._gateway.clock.set(float(wanted["now"]))
        self._gateway.clock.advance(float(wanted.get("advance", 0)))
        return self.clock()

    def stats(self) -> dict[str, Any]:
        """Return all counts."""
        gateway = self._gateway
        with gateway.bank.lock:
            charges = charge_report(gateway.bank.real_charges(), gateway.reference_key)
            refunds = refund_report(gateway.bank.refunds.oldest_first())
        return {
            **gateway.stats.report(),
            "down": gateway.outage.report(),
            "charges": charges,
            "refunds": refunds,
        }

    def charges(self) -> list[Json]:
        """Return the real charges, oldest first."""
        with self._gateway.bank.lock:
            return [
                _charge(charge, self._gateway.reference_key)
                for charge in self._gateway.bank.real_charges()
            ]

    def refunds(self) -> list[Json]:
        """Return the refunds, oldest first."""
        with self._gateway.bank.lock:
            return list(self._gateway.bank.refunds.oldest_first())

    def requests(self, request: Request) -> list[dict[str, Any]]:
        """Return the log of requests, those after `after`."""
        query = dict(parse_qsl(request.query))
        return self._gateway.stats.log(int(query.get("after", 0)), int(query.get("limit", 20_000)))

    def configure_webhooks(self, request: Request) -> dict[str, Any]:
        """Change url, secret or hold."""
        hooks = self._gateway.webhooks
        current = {"url": hooks.url, "secret": hooks.secret, "hold": hooks.hold}
        wanted = {**current, **request.json()}
        if wanted.keys() != current.keys():
            raise InvalidOption("Webhooks have a url, a secret and hold.")
        hooks.configure(url=wanted["url"], secret=wanted["secret"], hold=bool(wanted["hold"]))
        return hooks.report()

    def release(self, request: Request) -> dict[str, int]:
        """Deliver what was held back."""
        order = request.json().get("order", "as_is")
        check_choice("order", order, ORDERS)
        return {"released": self._gateway.webhooks.release(order)}

    def redeliver(self, request: Request) -> dict[str, str]:
        """Deliver an event once more."""
        wanted = request.json()["event"]
        with self._gateway.bank.lock:
            if wanted not in self._gateway.bank.events:
                raise InvalidOption(f"There is no event {wanted!r}.")
            event = self._gateway.bank.events.get(wanted)
        self._gateway.webhooks.redeliver(event)
        return {"event": wanted}


def _charge(charge: Json, reference_key: str) -> Json:
    amount = charge["amount_captured"] if charge["captured"] else charge["amount"]
    return {
        "id": charge["id"],
        "payment_intent": charge["payment_intent"],
        "amount": amount,
        "amount_refunded": charge["amount_refunded"],
        "currency": charge["currency"],
        "captured": charge["captured"],
        "reference": reference_of(charge, reference_key),
        "metadata": charge["metadata"],
        "at": charge["created"],
    }
