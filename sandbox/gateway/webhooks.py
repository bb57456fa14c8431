"""Delivers events as signed webhooks: late, doubled, reordered or forged when told to."""

import contextlib
import hashlib
import heapq
import hmac
import http.client
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.common.randomness import roll
from sandbox.gateway.faults import FaultInjector
from sandbox.gateway.tables import Json

MAX_LOG = 20_000
SENDERS = 4
TIMEOUT = 10.0
ATTEMPTS = 8
FIRST_RETRY = 0.5
#: Seconds that a reset waits for deliveries under way before it cuts them off.
PATIENCE = 2.0
#: Older than the 300 s that receivers tolerate.
STALE_BY = 600
ORDERS: dict[str, Callable[[list["Delivery"]], list["Delivery"]]] = {
    "as_is": lambda held: held,
    "reversed": lambda held: held[::-1],
    "shuffled": lambda held: sorted(held, key=lambda d: roll(0, "shuffle", d.event["id"])),
}


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One copy of one event on its way; `flaw` is "", "forged" or "stale"."""

    event: Json
    flaw: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one attempt: a status, or 0 when nobody answered."""

    at: float
    event: str
    type: str
    flaw: str
    attempt: int
    status: int


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the Stripe-Signature header: HMAC-SHA256 over `timestamp.raw_body`."""
    signed = f"{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Webhooks:
    """A schedule of deliveries and the threads that work it off."""

    def __init__(self, faults: FaultInjector, url: str, secret: str) -> None:
        self._faults = faults
        self._ready = threading.Condition()
        self._due: list[tuple[float, int, Delivery]] = []
        self._held: list[Delivery] = []
        self._sending: dict[Delivery, http.client.HTTPConnection | None] = {}
        self._is_paused = False
        self._number = 0
        self._stopping = False
        self._log: deque[Delivered] = deque(maxlen=MAX_LOG)
        self._threads: list[threading.Thread] = []
        self._initial = url, secret
        self.url, self.secret, self.hold = url, secret, False

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the senders; what was not delivered stays so."""
        with self._ready:
            self._stopping = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join(5)

    def configure(self, *, url: str, secret: str, hold: bool) -> None:
        """Change where to deliver, how to sign, and whether to hold events back."""
        with self._ready:
            self.url, self.secret, self.hold = url, secret, hold

    def publish(self, event: Json) -> None:
        """Put a new event on its way, with the faults that its id rolls; no URL, no delivery."""
        with self._ready:
            if not self.url:
                return
            if self.hold:
                self._held.append(Delivery(event))
                return
        self._send_out(event)

    def release(self, order: str) -> int:
        """Deliver the events held back, in the order named, one after the other; return how many.

        Raises KeyError for an order not in ORDERS.
        """
        with self._ready:
            held, self._held = ORDERS[order](self._held), []
        for place, delivery in enumerate(held):
            self._schedule(delivery, place * 0.02)
        return len(held)

    def redeliver(self, event: Json) -> None:
        """Deliver an event once more."""
        self._schedule(Delivery(event), 0)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Wait until no delivery is under way, and begin none before the block ends.

        A delivery that takes longer than `PATIENCE` is cut off.
        """
        with self._ready:
            self._is_paused = True
            if not self._ready.wait_for(lambda: not self._sending, PATIENCE):
                self._cut_off()
                self._ready.wait_for(lambda: not self._sending, PATIENCE)
        try:
            yield
        finally:
            with self._ready:
                self._is_paused = False
                self._ready.notify_all()

    def reset(self) -> None:
        """Forget what waits and what was delivered; deliver to where the start said."""
        with self._ready:
            self.url, self.secret = self._initial
            self.hold = False
            self._due.clear()
            self._held.clear()
            self._log.clear()

    def report(self) -> dict[str, Any]:
        """Return what waits, what is held and what was delivered."""
        with self._ready:
            return {
                "url": self.url,
                "hold": self.hold,
                "pending": len(self._due) + len(self._sending),
                "held": len(self._held),
                "deliveries": [asdict(delivered) for delivered in self._log],
            }

    def _send_out(self, event: Json) -> None:
        settings = self._faults.settings

        def struck(fault: str) -> bool:
            rate: float = getattr(settings, f"webhook_{fault}_rate")
            return roll(settings.seed, "webhook", fault, event["id"]) < rate

        delay = settings.webhook_late_seconds if struck("late") else 0.0
        if struck("reorder"):
            delay += settings.webhook_reorder_seconds
        if struck("forge"):
            self._schedule(Delivery(event, "forged"), delay)
        if struck("stale"):
            self._schedule(Delivery(event, "stale"), delay)
        for _ in range(2 if struck("duplicate") else 1):
            self._schedule(Delivery(event), delay)

    def _schedule(self, delivery: Delivery, delay: float) -> None:
        with self._ready:
            self._number += 1
            heapq.heappush(self._due, (time.monotonic() + delay, self._number, delivery))
            self._ready.notify_all()

    def _work(self) -> None:
        while (delivery := self._next()) is not None:
            try:
                self._deliver(delivery)
            finally:
                with self._ready:
                    del self._sending[delivery]
                    self._ready.notify_all()

    def _next(self) -> Delivery | None:
        with self._ready:
            while not self._stopping:
                is_idle = self._is_paused or not self._due
                wait = None if is_idle else self._due[0][0] - time.monotonic()
                if wait is not None and wait <= 0:
                    delivery = heapq.heappop(self._due)[2]
                    self._sending[delivery] = None
                    return delivery
                self._ready.wait(wait)
        return None

    def _deliver(self, delivery: Delivery) -> None:
        status = self._post(delivery)
        event = delivery.event
        done = Delivered(
            time.time(), event["id"], event["type"], delivery.flaw, delivery.attempt, status
        )
        with self._ready:
            self._log.append(done)
        if not 200 <= status < 300 and not delivery.flaw and delivery.attempt < ATTEMPTS:
            again = Delivery(event, attempt=delivery.attempt + 1)
            self._schedule(again, FIRST_RETRY * 2 ** (delivery.attempt - 1))

    def _post(self, delivery: Delivery) -> int:
        """Return the receiver's status, 0 when it can't be reached."""
        parts = urlsplit(self.url)
        body = json.dumps(delivery.event, indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": self._signature(delivery.flaw, body),
        }
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
        self._sending[delivery] = connection
        try:
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def _cut_off(self) -> None:
        for connection in self._sending.values():
            if connection is not None and connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _signature(self, flaw: str, body: bytes) -> str:
        # The real clock: receivers judge a signature's age by theirs.
        timestamp = int(time.time()) - (STALE_BY if flaw == "stale" else 0)
        return signature("forged" if flaw == "forged" else self.secret, timestamp, body)
