"""A tiny JSON client for the stand-ins' control APIs."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit


class ControlError(Exception):
    """The control API refused a request; the message says why."""


class ControlClient:
    """Speaks JSON with one control API. Thread-safe: each call is a connection of its own."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise ValueError(f"A control URL looks like http://127.0.0.1:8090, not {url!r}.")
        self.url = url
        self._address = (parts.hostname, parts.port)
        self._timeout = timeout

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the decoded answer to one request; raises ControlError and OSError."""
        connection = http.client.HTTPConnection(*self._address, timeout=self._timeout)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, f"/_control{path}", payload)
            response = connection.getresponse()
            answer = json.loads(response.read() or b"null")
        finally:
            connection.close()
        if response.status >= 400:
            raise ControlError(f"{method} {path}: {answer.get('error', answer)}")
        return answer

    def get(self, path: str, **query: str | int | float | None) -> Any:
        """Return the decoded answer to a GET; parameters that are None are left out."""
        given = urlencode({name: value for name, value in query.items() if value is not None})
        return self.call("GET", f"{path}?{given}" if given else path)
