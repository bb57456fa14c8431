"""The proxy of the sandbox: each of its network faults, on real sockets."""

import contextlib
import socket
import socketserver
import threading
import time

import pytest

from sandbox.proxy import Proxy
from tests.integration.sandbox.tools import DEADLINE, wait_until

SOON = 0.2


class Echo(socketserver.BaseRequestHandler):
    """Notes what arrives and sends it back."""

    def handle(self):
        """Serve one connection."""
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(1024):
                self.server.heard.append(data)
                self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    """Waits at its end for the threads of its connections."""

    allow_reuse_address = True


@pytest.fixture
def echo():
    """Run a server that sends back what it hears."""
    with Server(("127.0.0.1", 0), Echo) as server:
        server.heard = []
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield server
        server.shutdown()
        thread.join(DEADLINE)


@pytest.fixture
def proxy(echo):
    """Run a proxy in front of it; it ends first, and its connections with it."""
    proxy = Proxy(*echo.server_address).start()
    yield proxy
    proxy.stop()


@pytest.fixture
def connect(proxy):
    """Return a function that connects through the proxy."""
    opened = []

    def connect():
        opened.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=DEADLINE))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


def says(client, text, within=DEADLINE):
    """Return what comes back, None where nothing does."""
    client.settimeout(within)
    client.sendall(text)
    try:
        return client.recv(1024)
    except TimeoutError:
        return None


def test_bytes_pass_late_where_it_is_told_so(proxy, connect):
    """In each direction."""
    client = connect()
    assert says(client, b"one") == b"one"
    proxy.set("pass", delay=SOON)
    begun = time.monotonic()
    assert says(client, b"two") == b"two"
    assert time.monotonic() - begun >= 2 * SOON


def test_lost_answers_were_asked_for(proxy, connect, echo):
    """The server acted, the client can't know."""
    client = connect()
    proxy.set("lose_answers")
    assert says(client, b"one", within=SOON) is None
    wait_until(lambda: echo.heard == [b"one"])
    proxy.set("pass")
    assert says(client, b"two") == b"two"


def test_a_black_hole_takes_all_until_it_is_gone(proxy, connect, echo):
    """New connections too; what was said arrives late."""
    client = connect()
    assert says(client, b"one") == b"one"
    proxy.set("blackhole")
    newcomer = connect()
    assert says(client, b"two", within=SOON) is None
    assert says(newcomer, b"three", within=SOON) is None
    assert echo.heard == [b"one"]
    proxy.set("pass")
    assert (client.recv(1024), newcomer.recv(1024)) == (b"two", b"three")


def test_one_client_alone_can_meet_it(proxy, connect):
    """Told apart by its port; newcomers pass."""
    one, other = connect(), connect()
    assert (says(one, b"1"), says(other, b"2")) == (b"1", b"2")
    proxy.set("blackhole", ports={one.getsockname()[1]})
    assert says(one, b"3", within=SOON) is None
    assert says(other, b"4") == b"4"
    assert says(connect(), b"5") == b"5"


def test_a_reset_ends_what_is_open_and_nothing_else(proxy, connect):
    """As a server that dies."""
    client = connect()
    assert says(client, b"one") == b"one"
    assert proxy.reset() == 1
    with pytest.raises(ConnectionResetError):
        client.recv(1024)
    assert says(connect(), b"two") == b"two"


def test_a_refusal_meets_everybody(proxy, connect):
    """Those who are there, and those who come."""
    client = connect()
    assert says(client, b"one") == b"one"
    proxy.set("refuse")
    with pytest.raises(ConnectionError):
        client.recv(1024)
    with pytest.raises(ConnectionError):
        says(connect(), b"two")


def test_an_end_in_good_order_goes_through(proxy, connect):
    """The other side reads an end, not an error."""
    client = connect()
    assert says(client, b"one") == b"one"
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1024) == b""
