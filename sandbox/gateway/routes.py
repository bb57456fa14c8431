"""Which request is which endpoint."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.gateway import endpoints as e, errors


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: its name in statistics and scripts, and whether it may charge a card."""

    name: str
    method: str
    pattern: re.Pattern[str]
    endpoint: Callable[[e.Call], e.Plan]
    charges: bool = False


def _route(
    name: str, line: str, endpoint: Callable[[e.Call], e.Plan], *, charges: bool = False
) -> Route:
    method, path = line.split(" ")
    pattern = re.compile(path.replace("{id}", r"([A-Za-z0-9_]+)"))
    return Route(name, method, pattern, endpoint, charges)


INTENTS, REFUNDS = "/v1/payment_intents", "/v1/refunds"
CHARGES, EVENTS = "/v1/charges", "/v1/events"

#: Search comes before retrieve: its path would pass for an id.
ROUTES = (
    _route("payment_intents.create", f"POST {INTENTS}", e.intent_create, charges=True),
    _route(
        "payment_intents.confirm", f"POST {INTENTS}/{{id}}/confirm", e.intent_confirm, charges=True
    ),
    _route("payment_intents.capture", f"POST {INTENTS}/{{id}}/capture", e.intent_capture),
    _route("payment_intents.cancel", f"POST {INTENTS}/{{id}}/cancel", e.intent_cancel),
    _route("payment_intents.search", f"GET {INTENTS}/search", e.searched("payment_intent")),
    _route("payment_intents.retrieve", f"GET {INTENTS}/{{id}}", e.retrieve("payment_intent")),
    _route("payment_intents.list", f"GET {INTENTS}", e.listed("payment_intent", "customer")),
    _route("refunds.create", f"POST {REFUNDS}", e.refund_create),
    _route("refunds.retrieve", f"GET {REFUNDS}/{{id}}", e.retrieve("refund")),
    _route("refunds.list", f"GET {REFUNDS}", e.listed("refund", "charge", "payment_intent")),
    _route("charges.search", f"GET {CHARGES}/search", e.searched("charge")),
    _route("charges.retrieve", f"GET {CHARGES}/{{id}}", e.retrieve("charge")),
    _route("charges.list", f"GET {CHARGES}", e.listed("charge", "customer", "payment_intent")),
    _route("events.retrieve", f"GET {EVENTS}/{{id}}", e.retrieve("event")),
    _route("events.list", f"GET {EVENTS}", e.events_listed),
    _route("balance.retrieve", "GET /v1/balance", e.balance),
)


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """Return the route of a request and the ids in its path; raises ApiError (404)."""
    for route in ROUTES:
        match = route.pattern.fullmatch(path) if route.method == method else None
        if match is not None:
            return route, match.groups()
    raise errors.unknown_url(method, path)
