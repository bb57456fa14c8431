"""Free ports on the loopback interface."""

import os
import socket
import time

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens on now; who starts a server must be ready to try again."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def port_from_env(name: str) -> int:
    """Return the port that the environment names, or a free one."""
    return int(os.environ.get(name) or free_port())


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
