"""The platform that faults are thrown at: a dispatcher and two workers, each behind a proxy."""

import contextlib
import os
import signal
import sys
import time
from urllib.parse import urlsplit

import psutil
import psycopg
import redis

from sandbox.demo.programs import Programs
from sandbox.proxy import Proxy
from sandbox.servers.process import wait_until

QUEUES = "default,payments,notifications,callbacks,maintenance"
ROLES = ("dispatcher", "worker-1", "worker-2")
#: Seconds that a worker takes to end at most, once asked.
GRACE = 5
READY = 60
#: Ends the sessions of the platform; whoever throws faults or load is no part of it.
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name <> 'chaos'
"""


class Environment:
    """Servers, proxies and processes; `heal` brings back whatever a fault took."""

    def __init__(self, *, postgres, valkey, database_url, env, directory, logs, slots=None):
        """Start proxies; the servers run already, and the database is migrated.

        `slots` says of workers by their role how many jobs they run at once: "threads:20".
        """
        self._slots_of = slots or {}
        self.postgres, self.valkey, self.directory = postgres, valkey, directory
        self.database_url = database_url
        self.programs = Programs(logs)
        self.proxies = {role: Proxy(postgres.host, postgres.port).start() for role in ROLES}
        slots = directory / "slots"
        self.slots = slots
        self.env = {
            **os.environ,
            **env,
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "CHAOS_DIRECTORY": str(directory),
            "CELERIAC_SLOT_DIRECTORY": str(slots),
            "CELERIAC_SHUTDOWN_GRACE_SECONDS": str(GRACE),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "127.0.0.1",
        }
        slots.mkdir()

    def start(self, role):
        """Start a process of the platform; return it."""
        if role == "dispatcher":
            command = [sys.executable, "manage.py", "dispatcher"]
        else:
            command = self._worker_command(role)
        url = urlsplit(self.database_url)
        address = f"{url.username}:{url.password}@{url.hostname}:{self.proxies[role].port}"
        own = {"DATABASE_URL": f"postgres://{address}{url.path}", "CHAOS_SLOTS": self._slots(role)}
        self.programs.env = self.env | own
        return self.programs.start(role, command)

    def _worker_command(self, role):
        name = f"--hostname={role}-{time.monotonic_ns()}@chaos"
        if self._slots(role):
            words = ["manage.py", "celeriac", "worker", "default"]
        else:
            words = ["-m", "celery", "-A", "config", "worker", "-c", "2", "-Q", QUEUES]
            words += ["--without-gossip", "--without-mingle"]
        return [sys.executable, *words, name, "-l", "INFO"]

    def _slots(self, role):
        """Return the option of the queue as a role knows it; a dispatcher knows any worker's."""
        known = self._slots_of
        return known.get(role, "") if role != "dispatcher" else next(iter(known.values()), "")

    def start_all(self):
        """Start every process, and return once all of them work."""
        started = [self.start(role) for role in ROLES]
        for program in started[1:]:
            self.wait_ready(program)

    def wait_ready(self, program):
        """Wait until a worker takes messages."""
        ready = wait_until(lambda: " ready." in program.output, timeout=READY)
        assert ready, f"{program.name} did not start:\n{program.output[-2000:]}"

    def process(self, role):
        """Return a role's process."""
        return self.programs.named(role)[0]

    def everything(self):
        """Return the processes of all roles and their children."""
        found = []
        for role in ROLES:
            with contextlib.suppress(psutil.Error):
                parent = psutil.Process(self.process(role).pid)
                found += [parent, *parent.children(recursive=True)]
        return found

    def send_all(self, number):
        """Send a signal to every process of the platform."""
        for process in self.everything():
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    def kill(self, role):
        """Kill a role's whole group and start it anew, as a supervisor does."""
        self.programs.kill(self.process(role))
        self.start(role)

    def heal(self):
        """Take every fault back, and start what has ended."""
        self.send_all(signal.SIGCONT)
        for proxy in self.proxies.values():
            proxy.set("pass")
        self.postgres.resume()
        self.valkey.resume()
        for server in (self.postgres, self.valkey):
            if not server.is_running:
                server.start()
        self.supervise()

    def supervise(self):
        """Start the processes that have ended."""
        for role in ROLES:
            if self.process(role).exit_code is not None:
                self.start(role)

    def set_proxies(self, mode, **options):
        """Set the mode of all proxies."""
        for proxy in self.proxies.values():
            proxy.set(mode, **options)

    def connect(self, **options):
        """Connect to the database as somebody who is no part of the platform, past the proxies."""
        return psycopg.connect(
            self.database_url,
            autocommit=True,
            application_name="chaos",
            options="-c default_transaction_read_only=off",
            **options,
        )

    def execute(self, statement, *values):
        """Run one statement."""
        with self.connect() as connection:
            return connection.execute(statement, values or None)

    def terminate_sessions(self):
        """End every session of the platform."""
        self.execute(TERMINATE)

    def broker(self):
        """Return a client of the broker."""
        return redis.Redis.from_url(self.env["BROKER_URL"], socket_timeout=5)

    def stop(self):
        """End everything but the servers."""
        self.heal()
        self.programs.stop()
        for proxy in self.proxies.values():
            proxy.stop()
