"""Delivering a callback: the event of one ending, signed, through its host's circuit."""

import json
import random
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpcore

from celeriac.breakers.api import CircuitOpen, guard
from celeriac.breakers.classify import asked_seconds
from celeriac.core.effects import require_no_transaction
from celeriac.core.errors import CeleriacError
from celeriac.jobs.callbacks import addresses, signature, targets, transport
from celeriac.jobs.callbacks.addresses import Resolver
from celeriac.jobs.callbacks.transport import CallbackAnswer
from celeriac.jobs.outcomes import GiveUp, Snooze
from celeriac.settings import conf

#: Callbacks that a circuit held back come over so many seconds, not all at once.
SPREAD = 10.0
#: The receiver says that there is nobody to tell any more.
GONE = 410


class CallbackFailed(CeleriacError):
    """The receiver did not answer with a success.

    `status` is its answer's, None where there was none; `retry_after` the seconds it asked for.
    """

    def __init__(
        self, message: str = "", *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


def deliver_callback(
    *,
    url: str,
    event: Mapping[str, Any],
    event_id: UUID,
    resolver: Resolver = addresses.resolve_host,
) -> int:
    """POST the event of a job's ending to `url`; return the status of a success.

    `event_id` is the same however often it is tried. Raises CallbackFailed and
    AddressRefused (to be tried again), Snooze while the host's circuit is open, and GiveUp
    where the URL is allowed no longer or its receiver is gone.
    """
    require_no_transaction("A callback")
    try:
        target = targets.checked_target(url)
    except targets.CallbackRefused as error:
        raise GiveUp(error.message) from error
    body = encode_event(event, event_id=event_id)
    try:
        with guard(target.circuit):
            return _judged(_post(target, body, event_id, resolver), target.authority)
    except CircuitOpen as error:
        seconds = error.retry_after + random.uniform(0, SPREAD)  # noqa: S311 no secret
        raise Snooze(seconds, f"the circuit {error.name} is open; nothing was sent") from error


def encode_event(event: Mapping[str, Any], *, event_id: UUID) -> bytes:
    """Return the body: the same bytes on every attempt."""
    said = {"id": str(event_id), "type": f"job.{event.get('state')}", "job": dict(event)}
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def _post(
    target: targets.Target, body: bytes, event_id: UUID, resolver: Resolver
) -> CallbackAnswer:
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": "Celeriac-Callback/1",
        "Celeriac-Event": str(event_id),
        signature.HEADER: signature.sign_body(body, timestamp=int(time.time())),
    }
    seconds = conf.CALLBACK_TIMEOUT_SECONDS
    try:
        return transport.post_callback(target, body, headers, timeout=seconds, resolver=resolver)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        words = f"{type(error).__name__}: {error}".strip(": ")
        raise CallbackFailed(f"{target.authority} gave no answer: {words}"[:300]) from error


def _judged(answer: CallbackAnswer, host: str) -> int:
    if 200 <= answer.status < 300:
        return answer.status
    if answer.status == GONE:
        raise GiveUp(f"{host} answered 410: it wants no more callbacks at this address.")
    redirects = " (a redirect, and those are not followed)" if answer.status // 100 == 3 else ""
    error = CallbackFailed(f"{host} answered {answer.status}{redirects}.", status=answer.status)
    error.retry_after = asked_seconds(_Bearer(answer)) or None
    raise error


class _Bearer(Exception):
    """An answer's headers, as the breakers read them."""

    def __init__(self, answer: CallbackAnswer) -> None:
        super().__init__(answer.status)
        self.headers = answer.headers
