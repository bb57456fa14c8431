"""Where a demo plays: a directory, servers and programs of its own, gone at the end."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import keeper, platform, ports
from sandbox.demo.options import Options
from sandbox.demo.programs import Program, Programs
from sandbox.gateway import GatewayControl
from sandbox.mailsink import MailsinkControl
from sandbox.platform import ROOT
from sandbox.run import migrate, parts_of_procfile, with_venv
from sandbox.servers import PostgresServer, ValkeyServer

HOME = ROOT / ".local" / "demo"
#: Parts of the Procfile that serve orders, in the order of their start.
PARTS = ("gateway", "mailsink", "dispatcher", "beat", "web")
#: Calls to loopback go straight there, whatever proxy the machine uses.
DIRECT = ",".join((ports.LOOPBACK, "localhost"))


@dataclass(frozen=True, slots=True)
class Stage:
    """A set-up platform: nothing runs on it yet but its servers."""

    directory: Path
    env: dict[str, str]
    valkey: ValkeyServer
    gateway: GatewayControl
    mailsink: MailsinkControl
    programs: Programs

    def start_part(self, part: str) -> Program:
        """Start one part of the Procfile."""
        return self._start(part, part)

    def start_worker(self, number: int) -> Program:
        """Start a worker on all queues of the ledger."""
        return self._start(f"worker-{number}", "worker")

    def _start(self, name: str, part: str) -> Program:
        return self.programs.start(name, ["/bin/sh", "-c", parts_of_procfile()[part]])


@contextmanager
def stage(options: Options) -> Iterator[Stage]:
    """Yield a stage with migrated servers; end and remove everything afterwards.

    Logs stay where the run did not end well.
    """
    directory = HOME / f"{os.getpid()}-{secrets.token_hex(4)}"
    state, logs = directory / "state", directory / "logs"
    keeper.current().remove_at_end(state)
    state.mkdir(parents=True)
    postgres, valkey = PostgresServer(state / "postgres"), ValkeyServer(state / "valkey")
    programs: Programs | None = None
    try:
        env = _environment(options, state, postgres, valkey)
        programs = Programs(env, logs)
        migrate(env)
        yield Stage(
            directory=directory,
            env=env,
            valkey=valkey,
            gateway=GatewayControl(env["STRIPE_API_BASE"]),
            mailsink=MailsinkControl(f"http://{ports.LOOPBACK}:{env['MAILSINK_CONTROL_PORT']}"),
            programs=programs,
        )
    finally:
        if programs is not None:
            programs.stop()
        valkey.stop()
        postgres.stop()
        keeper.close()


def forget(directory: Path) -> None:
    """Remove what a run that ended well left in the clone."""
    shutil.rmtree(directory, ignore_errors=True)


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
        "JOBS_SLOT_DIRECTORY": str(state / "slots"),
        "MAILSINK_CONTROL_PORT": str(ports.free_port()),
        "TMPDIR": str(state / "tmp"),
        "NO_PROXY": DIRECT,
        "no_proxy": DIRECT,
    }
    return with_venv({**os.environ, **chosen, **options.environment(os.environ)})
