"""Free ports on the loopback interface."""

import contextlib
import random
import socket
import time

from celeriac.core.environment import env

LOOPBACK = "127.0.0.1"
#: Below those that the system gives to outgoing connections, which would take one that waits.
_PORTS = range(15_000, 32_000)
_random = random.SystemRandom()  # nobody's seed: two test processes must not draw the same


def free_port(wished: int | str | None = None) -> int:
    """Return a port that nobody listens on now, the wished one if it can be had.

    Who starts a server must be ready to try again.
    """
    if wished and is_free(int(wished)):
        return int(wished)
    for _ in range(100):
        if is_free(port := _random.choice(_PORTS)):
            return port
    raise RuntimeError(f"No port from {_PORTS[0]} to {_PORTS[-1]} is free: end what holds them.")


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port; connections that just ended do not matter."""
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOOPBACK, port))
        return True
    return False


def port_from_env(name: str, wished: int | str | None = None) -> int:
    """Return the port that the environment names, or a free one: the wished one if possible."""
    return env.int(name, default=None) or free_port(wished)


def is_listening(port: int) -> bool:
    """Say whether somebody accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def wait_for_port(port: int, *, timeout: float = 30) -> None:
    """Wait until somebody listens on the port; raise TimeoutError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not is_listening(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Nothing listens on port {port} after {timeout} s.")
        time.sleep(0.02)
