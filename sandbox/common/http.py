"""A small threaded HTTP server for loopback, whose answers may also be a hang-up."""

import contextlib
import enum
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MAX_BODY = 1_000_000
#: SO_LINGER on with no time to linger: close() sends RST instead of FIN.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Hangup(enum.Enum):
    """An answer that is no answer: how the connection ends."""

    CLOSE = "closed"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, read whole. Header names are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object, empty for no body; raises ValueError."""
        value = json.loads(self.body or b"{}")
        if not isinstance(value, dict):
            raise ValueError("The body must be a JSON object.")
        return value


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer with its body in full."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, value: object, status: int = 200, **headers: str) -> "Response":
        """Answer with a JSON body; underscores in header names become hyphens."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        body = json.dumps(value).encode()
        return cls(status, body, {"Content-Type": "application/json", **named})


#: How the names of threads begin that serve a connection, or wait for its next request.
KEPT_ALIVE = "connection to"

type Answer = Response | Hangup
type Handler = Callable[[Request], Answer]


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "LoopbackServer"

    def _serve(self) -> None:
        request = self._read()
        if request is None:
            return
        answer = self.server.answer(request)
        if isinstance(answer, Hangup):
            self._hang_up(answer)
        else:
            self._write(answer)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 http.server's names

    def _read(self) -> Request | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            self._write(Response.of_json({"error": "body too large"}, 413))
            self.close_connection = True
            return None
        parts = urlsplit(self.path)
        headers = {name.lower(): text for name, text in self.headers.items()}
        return Request(self.command, parts.path, parts.query, headers, self.rfile.read(int(length)))

    def _write(self, response: Response) -> None:
        self.send_response(response.status)
        for name, text in response.headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        # One more send is harmless: Nagle is off.
        self.wfile.write(response.body)

    def _hang_up(self, how: Hangup) -> None:
        self.close_connection = True
        if how is Hangup.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            # Closed here, because the server would say goodbye (FIN) first.
            os.close(self.connection.detach())

    def log_message(self, *args: object) -> None:
        """Stay silent: each stand-in keeps its own log of requests."""


class LoopbackServer(ThreadingHTTPServer):
    """Serves one handler on 127.0.0.1, a thread per connection, until stopped."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handler: Handler, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Connection)
        self._handler = handler
        self._open: dict[threading.Thread, socket.socket] = {}
        self._serving = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where the server listens, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.server_port}"

    def start(self) -> None:
        """Serve from a thread of its own."""
        self._serving.start()

    def stop(self) -> None:
        """Close the listener and every connection, and wait for their threads (≤ 5 s each)."""
        self.shutdown()
        self.server_close()
        for thread, connection in list(self._open.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    def answer(self, request: Request) -> Answer:
        """Return the handler's answer, or 500 with its error, which is logged."""
        try:
            return self._handler(request)
        except Exception as error:
            logger.exception("the handler failed on %s %s", request.method, request.path)
            return Response.of_json({"error": {"message": repr(error), "type": "api_error"}}, 500)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Keep the connection on the books while it is served."""
        threading.current_thread().name = f"{KEPT_ALIVE} {self.url}"
        self._open[threading.current_thread()] = request
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.pop(threading.current_thread(), None)

    def handle_error(self, request: object, client_address: object) -> None:
        """Note a connection that broke; clients that give up are the point of a sandbox."""
        logger.debug("connection from %s broke", client_address, exc_info=True)
