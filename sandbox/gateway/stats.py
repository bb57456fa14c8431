"""What the gateway saw: counts, concurrency and a bounded log of requests."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.gateway.bank import reference_of
from sandbox.gateway.tables import Json

MAX_LOG = 20_000


@dataclass(slots=True)
class Seen:
    """One request to the API; times are real seconds since the epoch."""

    number: int
    at: float
    method: str
    path: str
    endpoint: str = ""
    key: str = ""
    reference: str = ""
    fault: str = ""
    replayed: bool = False
    outcome: str = ""
    finished: float | None = None


class Stats:
    """Counts requests; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = 0
        self.clear()

    def clear(self) -> None:
        """Start counting anew; requests in flight stay counted as such."""
        with self._lock:
            self._peak = self._in_flight
            self._total = 0
            self._replays = 0
            self._outcomes: dict[str, Counter[str]] = {}
            self._log: deque[Seen] = deque(maxlen=MAX_LOG)

    @property
    def in_flight(self) -> int:
        """How many requests are being served now."""
        return self._in_flight

    def enter(self, method: str, path: str) -> Seen:
        """Note the start of a request."""
        with self._lock:
            self._total += 1
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            seen = Seen(self._total, time.time(), method, path)
            self._log.append(seen)
            return seen

    def leave(self, seen: Seen, outcome: str) -> None:
        """Note the end of a request: its status, or how its connection ended."""
        with self._lock:
            self._in_flight -= 1
            self._replays += seen.replayed
            seen.finished, seen.outcome = time.time(), outcome
            endpoint = seen.endpoint or "unknown"
            self._outcomes.setdefault(endpoint, Counter())[outcome] += 1

    def log(self, after: int = 0, limit: int = MAX_LOG) -> list[dict[str, Any]]:
        """Return the requests with a number above `after`, oldest first."""
        with self._lock:
            return [asdict(seen) for seen in self._log if seen.number > after][:limit]

    def report(self) -> dict[str, Any]:
        with self._lock:
            return {
                "requests": self._total,
                "replays": self._replays,
                "endpoints": {name: dict(count) for name, count in self._outcomes.items()},
                "in_flight": {"now": self._in_flight, "peak": self._peak},
            }


def charge_report(charges: Iterable[Json], reference_key: str) -> dict[str, Any]:
    """Count the charges that captured money, by payment intent and by our reference."""
    intents: Counter[str] = Counter()
    references: Counter[str] = Counter()
    count = amount = authorised = 0
    for charge in charges:
        if not charge["captured"]:
            authorised += 1
            continue
        count, amount = count + 1, amount + charge["amount_captured"]
        intents[charge["payment_intent"]] += 1
        references[reference_of(charge, reference_key) or ""] += 1
    return {
        "count": count,
        "amount": amount,
        "authorised": authorised,
        "by_payment_intent": dict(intents),
        "by_reference": dict(references),
    }


def refund_report(refunds: Iterable[Json]) -> dict[str, Any]:
    """Count the refunds."""
    amounts = [refund["amount"] for refund in refunds]
    return {"count": len(amounts), "amount": sum(amounts)}
