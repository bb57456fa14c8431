"""This checkout's platform on a laptop: its servers, its environment, and who started them.

The first command to come starts the servers under `.local/platform` and writes the environment
beside them; commands in other terminals read it there and join in. A file lock tells who was
first, so that a crash leaves no stale claim.
"""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sandbox import ports, supervisor
from sandbox.servers import PostgresServer, ValkeyServer
from sandbox.variables import variables

ROOT = Path(__file__).resolve().parent.parent
#: Tests give their platforms homes of their own.
HOME = Path(os.environ.get("CELERIAC_HOME") or ROOT / ".local" / "platform")
DATABASE = "celeriac"
PORTS = (
    "WEB_PORT",
    "FLOWER_PORT",
    "GATEWAY_PORT",  # here only
    "SMTP_PORT",
)
#: Seconds to wait for the first command to finish starting its servers.
PATIENCE = 60


class AlreadyRunning(Exception):
    """Another command of this checkout runs the platform already; stop it first."""


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Yield this checkout's environment, from whoever runs its servers or from servers started now.

    The environment is complete: what the caller's own environment names is kept.
    """
    with HomeLock() as lock:
        if lock.is_ours:
            with owned(lock) as env:
                yield env
        else:
            yield {**filled(read_environment()), "TMPDIR": str(HOME / "tmp")}


@contextmanager
def exclusive_environment() -> Iterator[dict[str, str]]:
    """Yield this checkout's environment; raise AlreadyRunning if someone else runs its servers."""
    with HomeLock() as lock:
        if not lock.is_ours:
            raise AlreadyRunning("The platform of this checkout is running in another terminal.")
        with owned(lock) as env:
            yield env


@contextmanager
def owned(lock: "HomeLock") -> Iterator[dict[str, str]]:
    """Start what the environment does not name, publish it for others, and stop it at the end."""
    supervisor.current_supervisor()
    servers: list[PostgresServer | ValkeyServer] = []
    try:
        chosen = addresses(servers) | settings(memory=HOME / "ports.json")
        lock.publish(shared(chosen))
        yield {**filled(chosen), "TMPDIR": str(scratch())}
    finally:
        lock.unpublish()
        for server in reversed(servers):
            server.stop()
        supervisor.close()


def shared(chosen: dict[str, str]) -> dict[str, str]:
    """Return what those who join must know: what was chosen, and what we were told ourselves."""
    names = {*chosen, *variables(), "DJANGO_SETTINGS_MODULE"}
    return chosen | {name: value for name in names if (value := os.environ.get(name))}


def filled(chosen: dict[str, str]) -> dict[str, str]:
    """Return the environment, with what was chosen where it says nothing."""
    return {**os.environ, **{n: v for n, v in chosen.items() if not os.environ.get(n)}}


def direct() -> dict[str, str]:
    """Return what keeps calls to loopback away from the proxy that a machine may use."""
    given = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    hosts = ",".join(filter(None, (given, ports.LOOPBACK, "localhost")))
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def scratch() -> Path:
    """Return an empty directory for temporary files: a killed program leaves them in the clone."""
    directory = HOME / "tmp"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return directory


def addresses(servers: list[PostgresServer | ValkeyServer], *, home: Path = HOME) -> dict[str, str]:
    """Start the servers that the environment does not name; return where they all are."""
    found: dict[str, str] = {}
    if not os.environ.get("DATABASE_URL"):
        postgres = PostgresServer(home / "postgres")
        servers.append(postgres)
        postgres.start()
        postgres.create_database(DATABASE)
        found["DATABASE_URL"] = postgres.url(DATABASE)
    if not os.environ.get("BROKER_URL"):
        valkey = ValkeyServer(home / "valkey")
        servers.append(valkey)
        valkey.start()
        found |= {"BROKER_URL": valkey.url(0), "CACHE_URL": valkey.url(1)}
    return found


def settings(*, memory: Path | None = None) -> dict[str, str]:
    """Return the rest of a laptop's environment: free ports, stand-in providers, a Flower login.

    The ports are those of the last start, kept in the file `memory`, unless somebody has them.
    """
    last = json.loads(memory.read_text()) if memory and memory.exists() else {}
    chosen = {name: str(ports.port_from_env(name, last.get(name))) for name in PORTS}
    if memory:
        memory.write_text(json.dumps(chosen))
    return chosen | {
        "WEB_CONCURRENCY": "2",
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "CELERIAC_SLOT_DIRECTORY": str(HOME / "slots"),
        # here only:
        "STRIPE_API_BASE": f"http://{ports.LOOPBACK}:{chosen['GATEWAY_PORT']}",
        "STRIPE_API_KEY": "sk_test_sandbox",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
        # to here
        "CALLBACK_SECRET": secrets.token_hex(32),
        "EMAIL_URL": f"smtp://{ports.LOOPBACK}:{chosen['SMTP_PORT']}",
        "FLOWER_URL": f"http://{ports.LOOPBACK}:{chosen['FLOWER_PORT']}",
        "FLOWER_BASIC_AUTH": f"flower:{kept_secret('flower')}",
    }


def kept_secret(name: str) -> str:
    """Return a random password that this checkout keeps, readable by its owner only."""
    file = ROOT / ".local" / f"{name}-password"
    file.parent.mkdir(exist_ok=True)
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(16))
    return file.read_text()


def read_environment() -> dict[str, str]:
    """Return what the platform's owner published, waiting while it starts."""
    file = HOME / "env.json"
    deadline = time.monotonic() + PATIENCE
    while not file.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("Another command of this checkout never got its servers ready.")
        time.sleep(0.1)
    values: dict[str, str] = json.loads(file.read_text())
    return values


class HomeLock:
    """Who runs this checkout's servers: whoever holds the lock on the platform's home."""

    def __init__(self) -> None:
        """Take nothing yet."""
        self.is_ours = False
        self._file: IO[str] | None = None

    def __enter__(self) -> "HomeLock":
        """Take the lock if it is free."""
        HOME.mkdir(parents=True, exist_ok=True)
        self._file = (HOME / "lock").open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self
        self.is_ours = True
        self.unpublish()
        return self

    def __exit__(self, *details: object) -> None:
        """Let go of the lock."""
        if self._file is not None:
            self._file.close()

    def publish(self, values: dict[str, str]) -> None:
        """Write the environment for other commands of this checkout; it holds passwords."""
        fresh = HOME / "env.json.new"
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(values, indent=1))
        fresh.rename(HOME / "env.json")

    def unpublish(self) -> None:
        """Remove the published environment."""
        (HOME / "env.json").unlink(missing_ok=True)
