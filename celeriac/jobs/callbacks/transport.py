"""One POST over a connection that goes where it was allowed to go, and nowhere else.

The host's name is resolved once, its addresses are judged, and the connection is made to
one of the very addresses that were judged: a name that resolves otherwise a moment later
changes nothing. TLS still verifies the name. Redirects are answers like any other, proxies
and credentials of the environment are not looked at, and of the answer only status and headers
are read. All of it together, from the first byte to the last, has one deadline.
"""

import contextlib
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore

from celeriac.jobs.callbacks import addresses
from celeriac.jobs.callbacks.addresses import Resolver
from celeriac.jobs.callbacks.targets import Target


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What the receiver said."""

    status: int
    headers: dict[str, str]


class DeadlineStream(httpcore.NetworkStream):
    """A stream whose every step gets what is left of one deadline, and no more."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes in what is left."""
        return self._stream.read(max_bytes, seconds_left(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write the bytes in what is left."""
        self._stream.write(buffer, seconds_left(self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return the stream under TLS."""
        seconds = seconds_left(self._deadline, httpcore.ConnectTimeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, seconds)
        return DeadlineStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return a fact of the stream."""
        return self._stream.get_extra_info(info)


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to addresses that were judged, by number."""

    def __init__(self, deadline: float, resolver: Resolver) -> None:
        self._deadline = deadline
        self._resolver = resolver
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a stream to the first of the host's addresses that answers."""
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        try:
            found = addresses.allowed_addresses(host, port, resolver=self._resolver)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} can't be resolved: {error}") from error
        for address in found:
            seconds = seconds_left(self._deadline, httpcore.ConnectTimeout)
            try:
                stream = self._backend.connect_tcp(address, port, seconds)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return DeadlineStream(stream, self._deadline)
        raise failure


def post_callback(
    target: Target,
    body: bytes,
    headers: dict[str, str],
    *,
    timeout: float,
    resolver: Resolver = addresses.resolve_host,
) -> CallbackAnswer:
    """POST `body` to `target` within `timeout` seconds in all; return the answer.

    Raises AddressRefused (nothing was sent) and httpcore's errors.
    """
    deadline = time.monotonic() + timeout
    url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    with (
        httpcore.ConnectionPool(
            ssl_context=_tls(),
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=PinnedBackend(deadline, resolver),
        ) as pool,
        contextlib.closing(
            pool.handle_request(
                httpcore.Request("POST", url, headers=_encoded(target, headers), content=body)
            )
        ) as response,
    ):
        return CallbackAnswer(response.status, _decoded(response.headers))


def seconds_left(deadline: float, error: type[Exception]) -> float:
    """Return the seconds until `deadline`; raise `error` when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise error("the time for this callback is over")
    return seconds


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _encoded(target: Target, headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    every = {"Host": target.authority, "Connection": "close", **headers}
    return [(name.encode(), value.encode()) for name, value in every.items()]


def _decoded(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
