"""What an embedded server has in common with the next: a process, a port, a log, and its end."""

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox import ports, supervisor

#: How often a start is tried when somebody else takes the chosen port first.
STARTS = 5


class ServerError(Exception):
    """An embedded server did not start; the message ends with its log."""


class Server(ABC):
    """A server process on a loopback port. It ends with its owner, whatever ends that."""

    name: str
    host = ports.LOOPBACK
    #: The signal that ends the server in good order.
    stop_signal = signal.SIGTERM

    def __init__(self, *, log: Path, port: int | None = None) -> None:
        """Remember where to log and the port to use (a free one when none is given)."""
        self.log = log
        self.port = port or 0
        self._port_is_given = port is not None
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line that starts the server on `self.port`."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Say whether the server answers."""

    def spawn_options(self) -> dict[str, Any]:
        """Return further arguments for Popen."""
        return {}

    @property
    def pid(self) -> int:
        """The server's process id; raises ServerError when it does not run."""
        if self._process is None:
            raise ServerError(f"{self.name} is not running.")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the server's process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, timeout: float = 60) -> None:
        """Start the server and wait until it answers; raise ServerError if it does not."""
        supervisor.current_supervisor()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(STARTS):
            # After the first start the port stays the same: clients hold its address.
            self.port = self.port or ports.free_port()
            self._spawn()
            if self._wait_until_ready(timeout):
                self._port_is_given = True
                return
            self.kill()
            time.sleep(0.2)  # a killed server's children may still be on their way out
            if not self._port_is_given:
                self.port = 0
        tail = self.log.read_text(errors="replace")[-2000:]
        raise ServerError(f"{self.name} did not start. Its log ends:\n{tail}")

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.spawn_options(),
            )

    def _wait_until_ready(self, timeout: float) -> bool:
        return wait_until(lambda: not self.is_running or self.is_ready(), timeout=timeout) and (
            self.is_running
        )

    def stop(self, *, timeout: float = 30) -> None:
        """End the server in good order, by force after `timeout` seconds."""
        self._end(self.stop_signal, timeout=timeout)

    def kill(self) -> None:
        """End the server as a crash would."""
        self._end(signal.SIGKILL, timeout=30)

    def restart(self) -> None:
        """Stop the server in good order and start it on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server: connections stay open and nothing answers."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals, *, timeout: float) -> None:
        if self._process is None:
            return
        self.send(number)
        self.send(signal.SIGCONT)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = None


def wait_until(condition: Callable[[], bool], *, timeout: float) -> bool:
    """Poll until the condition holds; return whether it did within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
