"""Where a demo plays: a directory, servers and programs of its own, gone at the end."""

import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import platform, ports, supervisor
from sandbox.demo.options import Options
from sandbox.demo.programs import Program, Programs
from sandbox.gateway import GatewayControl
from sandbox.mailsink import MailsinkControl
from sandbox.platform import ROOT
from sandbox.procfile import parts_of_procfile
from sandbox.run import migrate, with_venv
from sandbox.servers import PostgresServer, ValkeyServer

HOME = ROOT / ".local" / "demo"
#: Parts of the Procfile that need no tables, and those that do.
STAND_INS = ("gateway", "mailsink")
PLATFORM = ("dispatcher", "worker", "beat", "web")
#: Seconds after which the logs of a run that did not end well are thrown away.
KEEP_LOGS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Stage:
    """A platform of a run's own. `state` holds its data, and goes at the end in every case."""

    options: Options
    state: Path
    env: dict[str, str]
    valkey: ValkeyServer
    gateway: GatewayControl
    mailsink: MailsinkControl
    programs: Programs

    def start_all(self) -> None:
        """Migrate the database and start every part of the platform, and clients that wait."""
        for part in STAND_INS:
            self._start(part, part)
        for number in range(self.options.clients):
            self._start_client(number)
        migrate(self.env)
        for number in range(self.options.workers):
            self.start_worker(number + 1)
        for part in PLATFORM:
            self._start(part, part)

    def start_worker(self, number: int) -> Program:
        """Start a worker for payments and mails."""
        return self._start(f"payments-{number}", "worker-payments")

    def _start(self, name: str, part: str) -> Program:
        return self.programs.start(name, ["/bin/sh", "-c", parts_of_procfile()[part]])

    def _start_client(self, number: int) -> None:
        options = self.options
        given = {
            "number": number,
            "clients": options.clients,
            "orders": options.orders,
            "seconds": options.ordering_seconds,
            "seed": options.seed,
            "home": self.state,
        }
        words = [str(word) for name, value in given.items() for word in (f"--{name}", value)]
        command = [sys.executable, "-m", "sandbox.demo.client", *words]
        self.programs.start(f"client-{number + 1}", command)


@contextmanager
def stage(options: Options) -> Iterator[Stage]:
    """Yield a stage whose servers run; end everything afterwards, and keep nothing but logs."""
    _sweep()
    home = HOME / f"{os.getpid()}-{secrets.token_hex(4)}"
    state, logs = home / "state", home / "logs"
    supervisor.current_supervisor().remove_at_end(state)
    state.mkdir(parents=True)
    postgres, valkey = PostgresServer(state / "postgres"), ValkeyServer(state / "valkey")
    programs = Programs(logs)
    try:
        env = programs.env = _environment(options, state, postgres, valkey)
        gateway = GatewayControl(env["STRIPE_API_BASE"])
        mailsink = MailsinkControl(f"http://{ports.LOOPBACK}:{env['MAILSINK_CONTROL_PORT']}")
        yield Stage(options, state, env, valkey, gateway, mailsink, programs)
    finally:
        programs.stop()
        valkey.stop()
        postgres.stop()
        supervisor.close()


def forget(ended: Stage) -> None:
    """Remove the logs of a run too."""
    shutil.rmtree(ended.state.parent, ignore_errors=True)


def _sweep() -> None:
    """Throw away old logs of runs that did not end well."""
    for home in HOME.glob("*-*"):
        if home.stat().st_mtime < time.time() - KEEP_LOGS:
            shutil.rmtree(home, ignore_errors=True)


def _environment(
    options: Options, state: Path, postgres: PostgresServer, valkey: ValkeyServer
) -> dict[str, str]:
    """Start the servers and return the environment of every program."""
    postgres.start()
    postgres.create_database(platform.DATABASE)
    valkey.start()
    (state / "tmp").mkdir()
    chosen = platform.settings() | {
        "DATABASE_URL": postgres.url(platform.DATABASE),
        "BROKER_URL": valkey.url(0),
        "CACHE_URL": valkey.url(1),
        "BREAKERS_STORE_URL": valkey.url(0),
        "DEBUG": "false",
        "CELERIAC_SLOT_DIRECTORY": str(state / "slots"),
        "MAILSINK_CONTROL_PORT": str(ports.free_port()),
        "TMPDIR": str(state / "tmp"),
    }
    given = options.environment(os.environ)
    return with_venv({**os.environ, **chosen, **given, **platform.direct()})
