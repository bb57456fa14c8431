"""Real processes for tests: workers, dispatchers and beats that can be stopped, killed, frozen."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil

from celeriac.settings import conf
from tests.support.servers import ROOT

#: Seconds that a process gets between SIGTERM and SIGKILL when a test ends.
GRACE = 20


def wait_until(condition, timeout=30.0, every=0.05, message=""):
    """Poll until the condition is true and return its value; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout} s: {message or condition}")
        time.sleep(every)
    return value


class Process:
    """A process in a process group of its own, its output in a log file."""

    def __init__(self, name, command, *, env, directory, forks=None, cwd=ROOT):
        """Start the command in the repository's root or elsewhere, by a fork where `forks` can."""
        self.name, self._cwd = name, cwd
        self._forks = forks
        self.command = [str(part) for part in command]
        self.log = directory / f"{name}.log"
        self._env = {**os.environ, **env}
        self.start()

    def start(self):
        """Start the command (again)."""
        with self.log.open("ab") as log:
            if self._forks is not None and self._forks.can_start(self.command, self._env):
                self.popen = self._forks.start(
                    self.command, env=self._env, cwd=self._cwd, output=log
                )
                return
            self.popen = subprocess.Popen(
                self.command,
                cwd=self._cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self):
        """The process id, which is also the group's."""
        return self.popen.pid

    @property
    def is_running(self):
        """Whether the process has not ended."""
        return self.popen.poll() is None

    @property
    def output(self):
        """Everything it has written so far."""
        return self.log.read_text(errors="replace")

    def children(self):
        """Return its living descendants, as psutil processes."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def wait_for_output(self, text, timeout=60.0):
        """Wait until it has written the text; fail when it ends or takes too long."""

        def seen():
            return text in self.output or not self.is_running

        wait_until(seen, timeout=timeout, message=f"{text!r} in {self.log}:\n{self.output}")
        assert text in self.output, f"{self.name} ended:\n{self.output}"

    def send(self, number):
        """Send a signal to the process alone."""
        if self.is_running:
            self.popen.send_signal(number)

    def send_group(self, number):
        """Send a signal to the whole process group, as a terminal or a supervisor does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, timeout=GRACE):
        """Ask it to end and return its exit code; kill it after `timeout` seconds."""
        self.send(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """Kill the process alone; what it started may go on."""
        self.send(signal.SIGKILL)
        return self.wait(GRACE)

    def kill_group(self):
        """Kill the process and everything in its group; return once all of it is gone.

        What died while another process is started would become a child of the test's own process,
        which waits for no such one (forks.py).
        """
        self.send_group(signal.SIGKILL)
        code = self.wait(GRACE)
        wait_until(self._group_is_gone, timeout=GRACE, every=0.005)
        return code

    def _group_is_gone(self):
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def sigstop(self):
        """Freeze the process and its children, as a stalled machine would."""
        self.send_group(signal.SIGSTOP)

    def sigcont(self):
        """Let a frozen process and its children go on."""
        self.send_group(signal.SIGCONT)

    def wait(self, timeout=GRACE):
        """Wait for its end and return its exit code; kill it after `timeout` seconds."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.send_group(signal.SIGKILL)
            return self.popen.wait(GRACE)


class Processes:
    """Starts the platform's processes on the test's database and broker, and ends them all."""

    def __init__(self, *, env, directory, forks=None, cwd=ROOT):
        """Start nothing yet; `env` is what every process gets over this one's environment."""
        self.env, self.cwd = env, cwd
        self.forks = forks
        self.directory = directory
        self.started = []

    def start(self, name, *command, env=None):
        """Start any command."""
        unique = f"{name}-{len(self.started) + 1}"
        every = {**self.env, **(env or {})}
        options = {"directory": self.directory, "forks": self.forks, "cwd": self.cwd}
        process = Process(unique, command, env=every, **options)
        self.started.append(process)
        return process

    def python(self, name, *arguments, env=None):
        """Start this interpreter with the arguments."""
        return self.start(name, sys.executable, *arguments, env=env)

    def manage(self, *arguments, env=None):
        """Start a management command."""
        return self.python(arguments[0], "manage.py", *arguments, env=env)

    def dispatcher(self, *arguments, env=None):
        """Start a dispatcher."""
        return self.manage("dispatcher", *arguments, env=env)

    def worker(self, *arguments, queues=None, concurrency=2, app="config", env=None, wait=True):
        """Start a worker and wait until it takes messages; `queues` is a list of names."""
        command = ["-m", "celery", "-A", app, "worker", "-c", concurrency, "-l", "INFO"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        command += ["-n", f"{len(self.started)}-{os.getpid()}@test"]
        command += ["-Q", ",".join(queues or default_queues())]
        process = self.python("worker", *command, *arguments, env=env)
        if wait:
            process.wait_for_output(" ready.")
        return process

    def plain_worker(self, *arguments, **options):
        """Start a worker for plain shared tasks."""
        return self.worker(*arguments, queues=["plain"], app="config.plain", **options)

    def beat(self, *arguments, env=None):
        """Start a beat."""
        return self.python("beat", "-m", "celery", "-A", "config", "beat", *arguments, env=env)

    def stop_all(self):
        """End everything, in good order where possible."""
        for process in self.started:
            process.sigcont()
            process.send(signal.SIGTERM)
        for process in self.started:
            # Asked once only: a second SIGTERM may meet the first one's handler half-way.
            process.wait()
            process.send_group(signal.SIGKILL)


def default_queues():
    """Return the names of the ledger's queues."""
    return sorted(conf.QUEUES)
