"""Idempotency keys as Stripe's v1 API honours them.

The first request's status and body are saved once its execution has begun, errors included; what
was refused before (validation, 429, a key in flight) is not. A key lives 24 hours on the gateway's
clock; used again later it makes a new request.
"""

import base64
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from sandbox.common.http import Response
from sandbox.common.journal import Journal
from sandbox.gateway import errors
from sandbox.gateway.clock import Clock

LIFETIME = 24 * 60 * 60
MAX_KEYS = 100_000
MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What must be the same when a key comes again."""

    path: str
    params: str


@dataclass(slots=True)
class Entry:
    """One key: in flight until it has a response."""

    fingerprint: Fingerprint
    created: float
    response: Response | None = None


class IdempotencyStore:
    """The keys of the last day, bounded; safe for threads."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def begin(self, key: str, fingerprint: Fingerprint) -> Response | None:
        """Take a new key into flight and return None, or return the response saved under it.

        Raises ApiError: 409 when the key is in flight, 400 for other parameters or endpoint.
        """
        if len(key) > MAX_KEY_LENGTH:
            raise errors.invalid(f"Idempotency keys have at most {MAX_KEY_LENGTH} characters.")
        with self._lock:
            self._expire()
            entry = self._entries.get(key)
            if entry is None:
                self._entries[key] = Entry(fingerprint, self._clock.now())
                return None
        self._compare(key, entry.fingerprint, fingerprint)
        if entry.response is None:
            raise errors.key_in_use(key)
        return entry.response

    def finish(self, key: str, response: Response) -> None:
        """Save the response of a key in flight."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return
            entry.response = response
        self._journal.append({"key": key, "entry": _packed(entry, response)})

    def abandon(self, key: str) -> None:
        """Let a key go whose execution did not begin: the next request with it is the first."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.response is None:
                del self._entries[key]

    def restore(self, record: dict[str, Any]) -> None:
        """Take back what `finish` recorded."""
        self._entries[record["key"]] = _unpacked(record["entry"])

    def clear(self) -> None:
        """Forget all keys."""
        with self._lock:
            self._entries.clear()

    def _compare(self, key: str, first: Fingerprint, now: Fingerprint) -> None:
        if first.path != now.path:
            raise errors.other_endpoint(key, now.path, first.path)
        if first.params != now.params:
            raise errors.other_parameters(key)

    def _expire(self) -> None:
        horizon = self._clock.now() - LIFETIME
        while self._entries:
            key, oldest = next(iter(self._entries.items()))
            if oldest.created > horizon and len(self._entries) < MAX_KEYS:
                return
            if oldest.response is None:
                self._entries.move_to_end(key)
                return
            del self._entries[key]


def _packed(entry: Entry, response: Response) -> dict[str, Any]:
    return {
        "path": entry.fingerprint.path,
        "params": entry.fingerprint.params,
        "created": entry.created,
        "status": response.status,
        "body": base64.b64encode(response.body).decode(),
        "headers": dict(response.headers),
    }


def _unpacked(packed: dict[str, Any]) -> Entry:
    response = Response(packed["status"], base64.b64decode(packed["body"]), packed["headers"])
    return Entry(Fingerprint(packed["path"], packed["params"]), packed["created"], response)
