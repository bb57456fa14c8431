"""Asking Flower: one address from the settings, its password, and limits on all of it."""

import time
from base64 import b64encode
from dataclasses import dataclass
from functools import cache

import httpx

from celeriac.core.errors import CeleriacError
from celeriac.settings import conf

#: Bytes of an answer and of a request's body.
MOST_ANSWERED, MOST_ASKED = 16 * 1024 * 1024, 64 * 1024
#: What of a request goes on, and of an answer comes back: no cookies, no credentials, nothing
#: about the connection.
SENT = ("Accept", "Content-Type", "If-None-Match", "If-Modified-Since", "X-Requested-With")
KEPT = ("Content-Type", "ETag", "Last-Modified")
_EXPECTED = (200, 304, 400, 404)


class FlowerUnavailable(CeleriacError):
    """Flower can't be reached, or does not answer as it should."""


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """What Flower said."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask_flower(
    method: str, path: str, *, query: str, headers: dict[str, str], body: bytes
) -> UpstreamAnswer:
    """Return Flower's answer; raises FlowerUnavailable in words for an operator."""
    if not conf.FLOWER_BASIC_AUTH:
        raise FlowerUnavailable("FLOWER_BASIC_AUTH is not set, so there is no Flower to show.")
    base = httpx.URL(conf.FLOWER_URL)
    # Path and query in place of the address's own: what is asked for can't change where it goes.
    url = base.copy_with(raw_path=f"{path}?{query}".encode() if query else path.encode())
    timeout = httpx.Timeout(conf.FLOWER_TIMEOUT_SECONDS).as_dict()
    request = httpx.Request(
        method, url, headers=headers | _own(), content=body, extensions={"timeout": timeout}
    )
    try:
        return _ask(request)
    except httpx.HTTPError as error:
        raise FlowerUnavailable(
            f"Flower does not answer at {conf.FLOWER_URL} ({type(error).__name__}). "
            "Is its process running?"
        ) from error


def _ask(request: httpx.Request) -> UpstreamAnswer:
    deadline = time.monotonic() + conf.FLOWER_TIMEOUT_SECONDS
    response = _transport().handle_request(request)
    try:
        if response.status_code == 401:
            raise FlowerUnavailable(
                "Flower refuses our password: it was started with another FLOWER_BASIC_AUTH."
            )
        if response.status_code not in _EXPECTED:
            raise FlowerUnavailable(f"Flower answered {response.status_code}: see its log.")
        body = _read(response, deadline)
    finally:
        response.close()
    kept = {name: response.headers[name] for name in KEPT if name in response.headers}
    return UpstreamAnswer(response.status_code, kept, body)


def _read(response: httpx.Response, deadline: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > MOST_ANSWERED:
            raise FlowerUnavailable(f"Flower's answer is over {MOST_ANSWERED:,} bytes.")
        if time.monotonic() > deadline:
            raise FlowerUnavailable("Flower takes too long to answer.")
    return bytes(body)


def _own() -> dict[str, str]:
    login = conf.FLOWER_BASIC_AUTH.split(",")[0]
    return {
        "Authorization": f"Basic {b64encode(login.encode()).decode()}",
        "Accept-Encoding": "identity",
        "User-Agent": "Celeriac",
    }


@cache
def _transport() -> httpx.HTTPTransport:
    """Return this process's way out. A client would keep cookies, and show one's to another.

    Flower is next door: a connection kept would save little and outlive its Flower.
    """
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=0)
    return httpx.HTTPTransport(trust_env=False, limits=limits)
