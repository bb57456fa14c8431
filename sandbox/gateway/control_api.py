"""The gateway's control API, under /_control/: JSON, for demos, tests and chaos."""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from sandbox.gateway.bank import reference_of
from sandbox.gateway.stats import charge_report, refund_report
from sandbox.gateway.tables import Json
from sandbox.gateway.webhooks import ORDERS
from sandbox.kit.http import Request, Response
from sandbox.kit.options import InvalidOption, check_choice

if TYPE_CHECKING:
    from sandbox.gateway.gateway import Gateway

DOWN_MODES = ("reset", "unavailable")


class ControlApi:
    """Answers requests under /_control/."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._verbs: dict[str, Callable[[Request], Any]] = {
            "GET /health": lambda request: {"ok": True},
            "GET /faults": lambda request: asdict(gateway.faults.settings),
            "PATCH /faults": lambda request: asdict(gateway.faults.change(request.json())),
            "GET /script": lambda request: gateway.faults.scripted(),
            "POST /script": self._script,
            "DELETE /script": lambda request: gateway.faults.unscript(),
            "GET /down": lambda request: gateway.outage.report(),
            "POST /down": self._go_down,
            "DELETE /down": lambda request: gateway.outage.end(),
            "GET /clock": lambda request: self._clock(),
            "PATCH /clock": self._set_clock,
            "GET /stats": lambda request: self._stats(),
            "GET /charges": lambda request: self._charges(),
            "GET /refunds": lambda request: self._refunds(),
            "GET /requests": self._requests,
            "GET /webhooks": lambda request: gateway.webhooks.report(),
            "PATCH /webhooks": self._configure_webhooks,
            "POST /webhooks/release": self._release,
            "POST /webhooks/redeliver": self._redeliver,
            "POST /reset": lambda request: gateway.reset(),
        }

    def answer(self, request: Request) -> Response:
        """Answer one request: 404 for an unknown verb, 400 for a body that makes no sense."""
        verb = self._verbs.get(f"{request.method} {request.path.removeprefix('/_control')}")
        if verb is None:
            known = ", ".join(self._verbs)
            return Response.of_json({"error": f"The control API knows: {known}."}, 404)
        try:
            return Response.of_json(verb(request))
        except (ValueError, TypeError, KeyError) as error:
            return Response.of_json({"error": str(error)}, 400)

    def _script(self, request: Request) -> list[dict[str, Any]]:
        self._gateway.faults.script(request.json())
        return self._gateway.faults.scripted()

    def _go_down(self, request: Request) -> dict[str, Any]:
        wanted = {"seconds": 3600.0, "mode": "reset", **request.json()}
        check_choice("mode", wanted["mode"], DOWN_MODES)
        self._gateway.outage.begin(seconds=float(wanted["seconds"]), mode=wanted["mode"])
        return self._gateway.outage.report()

    def _clock(self) -> dict[str, float]:
        return {"now": self._gateway.clock.now()}

    def _set_clock(self, request: Request) -> dict[str, float]:
        wanted = request.json()
        if "now" in wanted:
            self._gateway.clock.set(float(wanted["now"]))
        self._gateway.clock.advance(float(wanted.get("advance", 0)))
        return self._clock()

    def _stats(self) -> dict[str, Any]:
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

    def _charges(self) -> list[Json]:
        with self._gateway.bank.lock:
            return [self._charge(charge) for charge in self._gateway.bank.real_charges()]

    def _charge(self, charge: Json) -> Json:
        amount = charge["amount_captured"] if charge["captured"] else charge["amount"]
        return {
            "id": charge["id"],
            "payment_intent": charge["payment_intent"],
            "amount": amount,
            "amount_refunded": charge["amount_refunded"],
            "currency": charge["currency"],
            "captured": charge["captured"],
            "reference": reference_of(charge, self._gateway.reference_key),
            "metadata": charge["metadata"],
            "at": charge["created"],
        }

    def _refunds(self) -> list[Json]:
        with self._gateway.bank.lock:
            return list(self._gateway.bank.refunds.oldest_first())

    def _requests(self, request: Request) -> list[dict[str, Any]]:
        query = dict(parse_qsl(request.query))
        return self._gateway.stats.log(int(query.get("after", 0)), int(query.get("limit", 20_000)))

    def _configure_webhooks(self, request: Request) -> dict[str, Any]:
        hooks = self._gateway.webhooks
        current = {"url": hooks.url, "secret": hooks.secret, "hold": hooks.hold}
        wanted = {**current, **request.json()}
        if wanted.keys() != current.keys():
            raise InvalidOption("Webhooks have a url, a secret and hold.")
        hooks.configure(url=wanted["url"], secret=wanted["secret"], hold=bool(wanted["hold"]))
        return hooks.report()

    def _release(self, request: Request) -> dict[str, int]:
        order = request.json().get("order", "as_is")
        check_choice("order", order, ORDERS)
        return {"released": self._gateway.webhooks.release(order)}

    def _redeliver(self, request: Request) -> dict[str, str]:
        wanted = request.json()["event"]
        with self._gateway.bank.lock:
            if wanted not in self._gateway.bank.events:
                raise InvalidOption(f"There is no event {wanted!r}.")
            event = self._gateway.bank.events.get(wanted)
        self._gateway.webhooks.redeliver(event)
        return {"event": wanted}
