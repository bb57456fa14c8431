"""The client of the gateway's control API."""

from dataclasses import dataclass
from typing import Any, TypedDict

from sandbox.common.control import Control, Down


@dataclass(frozen=True, slots=True)
class RealCharge:
    """Money taken (or, while not `captured`, held) by the gateway; `at` is its own clock."""

    id: str
    payment_intent: str
    amount: int
    amount_refunded: int
    currency: str
    captured: bool
    reference: str | None
    metadata: dict[str, str]
    at: float


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request that the API saw; times are real seconds since the epoch.

    `outcome` is the status sent, or "closed" / "reset" where none was.
    """

    number: int
    at: float
    method: str
    path: str
    endpoint: str
    key: str
    reference: str
    fault: str
    replayed: bool
    outcome: str
    finished: float | None


class InFlight(TypedDict):
    """Requests served at the same time."""

    now: int
    peak: int


class ChargeStats(TypedDict):
    """Charges that captured money (`authorised` counts those that have not yet)."""

    count: int
    amount: int
    authorised: int
    by_payment_intent: dict[str, int]
    by_reference: dict[str, int]


class RefundStats(TypedDict):
    """Refunds made."""

    count: int
    amount: int


class GatewayStats(TypedDict):
    """Everything counted; `endpoints` maps an endpoint's name to its outcomes' counts."""

    requests: int
    replays: int
    endpoints: dict[str, dict[str, int]]
    in_flight: InFlight
    down: Down
    charges: ChargeStats
    refunds: RefundStats


class GatewayControl(Control):
    """Steers and reads one gateway; every method raises ControlError and OSError."""

    def script(
        self,
        fault: str,
        *,
        times: int = 1,
        when: str = "",
        seconds: float = 0.0,
        code: str = "",
        endpoint: str = "",
        reference: str = "",
    ) -> None:
        """Let a fault strike the next requests that match; see faults.Scripted."""
        wanted = {
            "fault": fault,
            "times": times,
            "when": when,
            "seconds": seconds,
            "code": code,
            "endpoint": endpoint,
            "reference": reference,
        }
        self._client.call("POST", "/script", wanted)

    def scripted(self) -> list[dict[str, Any]]:
        """Return the scripted faults that have not struck yet."""
        return list(self._client.get("/script"))

    def now(self) -> float:
        """Return the gateway's time."""
        return float(self._client.get("/clock")["now"])

    def advance(self, seconds: float) -> None:
        """Move the gateway's clock."""
        self._client.call("PATCH", "/clock", {"advance": seconds})

    def set_clock(self, now: float) -> None:
        """Set the gateway's clock to seconds since the epoch."""
        self._client.call("PATCH", "/clock", {"now": now})

    def stats(self) -> GatewayStats:
        stats: GatewayStats = self._client.get("/stats")
        return stats

    def charges(self) -> list[RealCharge]:
        """Return every real charge, oldest first: what the books must balance against."""
        return [RealCharge(**row) for row in self._client.get("/charges")]

    def refunds(self) -> list[dict[str, Any]]:
        """Return every refund as the API shows it, oldest first."""
        return list(self._client.get("/refunds"))

    def requests(self, after: int = 0) -> list[LoggedRequest]:
        """Return the requests seen after the one of that number, oldest first (at most 20,000)."""
        return [LoggedRequest(**row) for row in self._client.get("/requests", after=after)]

    def webhooks(self, **changes: str | bool) -> dict[str, Any]:
        """Change `url`, `secret` or `hold`, and return what waits and what was delivered."""
        return dict(self._client.call("PATCH", "/webhooks", changes))

    def release_webhooks(self, order: str = "as_is") -> int:
        """Deliver what was held back "as_is", "reversed" or "shuffled"; return how many."""
        return int(self._client.call("POST", "/webhooks/release", {"order": order})["released"])

    def redeliver(self, event_id: str) -> None:
        """Deliver an event once more."""
        self._client.call("POST", "/webhooks/redeliver", {"event": event_id})
