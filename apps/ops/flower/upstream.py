"""Asking Flower: one address from the settings, its password, and limits on all of it."""

import time
from dataclasses import dataclass
from functools import cache

import httpx
from django.conf import settings

from apps.core.errors import CeleriacError

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
class Answer:
    """What Flower said."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(method: str, path: str, *, query: str, headers: dict[str, str], body: bytes) -> Answer:
    """Return Flower's answer; raises FlowerUnavailable in words for an operator."""
    if not settings.FLOWER_BASIC_AUTH:
        raise FlowerUnavailable("FLOWER_BASIC_AUTH is not set, so there is no Flower to show.")
    base = httpx.URL(settings.FLOWER_URL)
    # Path and query in place of the address's own: what is asked for can't change where it goes.
    url = base.copy_with(raw_path=f"{path}?{query}".encode() if query else path.encode())
    user, _, password = settings.FLOWER_BASIC_AUTH.split(",")[0].partition(":")
    try:
        request = _client().build_request(
            method, url, headers=headers, content=body, timeout=settings.FLOWER_TIMEOUT_SECONDS
        )
        return _ask(request, httpx.BasicAuth(user, password))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FlowerUnavailable(
            f"Flower does not answer at {settings.FLOWER_URL} ({type(error).__name__}). "
            "Is its process running?"
        ) from error


def _ask(request: httpx.Request, auth: httpx.BasicAuth) -> Answer:
    deadline = time.monotonic() + settings.FLOWER_TIMEOUT_SECONDS
    response = _client().send(request, auth=auth, stream=True)
    try:
        if response.status_code == 401:
            raise FlowerUnavailable(
                "Flower refuses our password: it was started with another FLOWER_BASIC_AUTH."
            )
        if response.status_code not in _EXPECTED:
            raise FlowerUnavailable(f"Flower answered {response.status_code}: see its log.")
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MOST_ANSWERED:
                raise FlowerUnavailable(f"Flower's answer is over {MOST_ANSWERED:,} bytes.")
            if time.monotonic() > deadline:
                raise FlowerUnavailable("Flower takes too long to answer.")
    finally:
        response.close()
    kept = {name: response.headers[name] for name in KEPT if name in response.headers}
    return Answer(response.status_code, kept, bytes(body))


@cache
def _client() -> httpx.Client:
    """Return this process's client: nothing of the environment's, and no redirects."""
    return httpx.Client(
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "Celeriac"},
        limits=httpx.Limits(max_connections=20, max_keepalive_connections=4),
    )
