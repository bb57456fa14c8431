"""RabbitMQ, from Debian's package: a node of its own name, cookie, directory and ports.

Erlang's port mapper would outlive its node and serve others, so each server has one of its own,
which ends with it. Nothing listens but on loopback.
"""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import amqp

from sandbox import ports
from sandbox.servers.process import Server, ServerError, wait_until

#: Debian puts the programs here; those in /usr/sbin change to a user of its own first.
HOME = Path("/usr/lib/rabbitmq")
MISSING = "RabbitMQ is not installed: apt-get install rabbitmq-server brings it, and Erlang with it"
USER = "celeriac"
#: What the broker keeps free of memory and disk is for servers, not for tests.
CONFIGURATION = """listeners.tcp.local = {host}:{port}
default_user = {user}
default_pass = {password}
loopback_users = none
disk_free_limit.absolute = 10MB
vm_memory_high_watermark.relative = 0.9
"""


def is_installed() -> bool:
    """Say whether RabbitMQ can be run here."""
    return bool(_programs())


class RabbitServer(Server):
    """A RabbitMQ that keeps its durable queues in a directory."""

    name = "RabbitMQ"

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        """Use `directory` for all that it writes; raises ServerError where it is not installed."""
        if not is_installed():
            raise ServerError(f"{MISSING}.")
        self.directory = directory.resolve()
        self._password = secrets.token_urlsafe(24)
        self._node = f"celeriac-{secrets.token_hex(4)}@localhost"
        self._mapper: subprocess.Popen[bytes] | None = None
        self._mapper_port = self._node_port = 0
        super().__init__(log=self.directory / "rabbitmq.log", port=port)

    def url(self) -> str:
        """Return its address as Celery takes it."""
        return f"amqp://{USER}:{self._password}@{self.host}:{self.port}//"

    def command(self) -> list[str]:
        """Return the command line that starts the server on `self.port`."""
        return [str(_programs()[-1])]

    def is_ready(self) -> bool:
        """Say whether our own server takes connections: the password proves that it is ours."""
        address = f"{self.host}:{self.port}"
        try:
            with amqp.Connection(address, USER, self._password, connect_timeout=2, read_timeout=2):
                return True
        except (OSError, amqp.AMQPError):
            return False

    def spawn_options(self) -> dict[str, Any]:
        """Keep everything that the node would find or write elsewhere in its own directory."""
        place = self.directory
        names = {"CONFIG_FILE": "rabbitmq.conf", "ENABLED_PLUGINS_FILE": "plugins"}
        names |= {"MNESIA_BASE": "data", "LOG_BASE": "logs", "PID_FILE": "pid"}
        names |= {"CONF_ENV_FILE": "none", "ADVANCED_CONFIG_FILE": "none.config"}
        ours = {f"RABBITMQ_{name}": str(place / file) for name, file in names.items()}
        ours |= {
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": self.host,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # A shell on its standard input would end it at once, a daemon would outlive us.
            "HOME": str(place),
            **self._mapper_variables(),
        }
        return {"cwd": place, "env": {**os.environ, **ours}}

    def _mapper_variables(self) -> dict[str, str]:
        return {"ERL_EPMD_PORT": str(self._mapper_port), "ERL_EPMD_ADDRESS": self.host}

    def _spawn(self) -> None:
        self._prepare()
        super()._spawn()

    def _prepare(self) -> None:
        """Write the configuration and the cookie, and start the port mapper."""
        self.directory.mkdir(parents=True, exist_ok=True)
        text = CONFIGURATION.format(
            host=self.host, port=self.port, user=USER, password=self._password
        )
        for name, content in {"rabbitmq.conf": text, "plugins": "[].\n"}.items():
            (self.directory / name).write_text(content)
        cookie = self.directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(secrets.token_hex(16))
            cookie.chmod(0o400)
        if self._mapper is None:
            self._mapper_port, self._node_port = ports.free_port(), ports.free_port()
            self._mapper = subprocess.Popen(
                ["epmd"],
                env={**os.environ, **self._mapper_variables()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._wait_for_mapper()

    def _wait_for_mapper(self) -> None:
        def is_there() -> bool:
            with contextlib.suppress(OSError):
                socket.create_connection((self.host, self._mapper_port), timeout=1).close()
                return True
            return False

        if not wait_until(is_there, timeout=10):
            raise ServerError("Erlang's port mapper, epmd, did not start.")

    def stop(self, *, timeout: float = 30) -> None:
        """End the server in good order, and its port mapper."""
        super().stop(timeout=timeout)
        self._end_mapper()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group: the start script waits for Erlang's own process."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _end_mapper(self) -> None:
        mapper, self._mapper = self._mapper, None
        if mapper is not None:
            mapper.kill()
            mapper.wait(10)


def _programs() -> list[Path]:
    return sorted(HOME.glob("lib/rabbitmq_server-*/sbin/rabbitmq-server"))
