"""A receiver of callbacks on a real socket: it notes what comes and answers as it is told."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """What came to it, as `(path, headers, body)`, and what it answers next."""

    def __init__(self, server):
        """Answer 204 until told otherwise."""
        self.port = server.server_address[1]
        self.calls = []
        self.status = 204
        self.headers = {}

    def url(self, host="hooks.example.com", path="/hook"):
        """Return its URL under a host name that a test's resolver knows."""
        return f"http://{host}:{self.port}{path}"


class Handler(BaseHTTPRequestHandler):
    """Notes the request and answers."""

    def do_POST(self):
        """Take a callback."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        receiver = self.server.receiver
        receiver.calls.append((self.path, dict(self.headers), body))
        self.send_response(receiver.status)
        for name, value in receiver.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Keep quiet."""


@contextmanager
def running_receiver(address="127.0.0.1", port=0, tls=None):
    """Yield a receiver that listens until the block ends; `tls` is a server's context."""
    server = ThreadingHTTPServer((address, port), Handler)
    server.receiver = Receiver(server)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # a refused handshake is what a test wants
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield server.receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
