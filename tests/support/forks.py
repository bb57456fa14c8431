"""Starts Python programs by forking a process that has the libraries in memory already."""

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

SERVER = Path(__file__).with_name("forkserver.py")
PR_SET_CHILD_SUBREAPER = 36
#: What Python reads when it starts: a fork is no start, so these must be as they were.
AT_START = ("PYTHON", "LC_", "LANG", "LD_")
#: But these, which the server heeds itself.
HEEDED = {"PYTHONPATH"}


class Forked:
    """A forked program, with what the tests use of `subprocess.Popen`: it is our child too."""

    def __init__(self, pid):
        """Know the child."""
        self.pid, self.returncode = pid, None

    def poll(self):
        """Return its exit code, None while it runs."""
        return self._reap(os.WNOHANG)

    def wait(self, timeout=None):
        """Wait for its end and return its exit code; raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            handle = os.pidfd_open(self.pid)
            try:
                if not select.select([handle], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            finally:
                os.close(handle)
        return self._reap(0)

    def send_signal(self, number):
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self):
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _reap(self, options):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class ForkServer:
    """The server's other end."""

    def __init__(self):
        """Start the server."""
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {n: v for n, v in os.environ.items() if not n.startswith("DJANGO_")}
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), str(theirs.fileno())],
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._environment = at_start(os.environ)

    def can_start(self, command, env):
        """Say whether a command is a program of this interpreter in an environment like ours."""
        is_ours = command[0] == sys.executable and command[1] != "-c"
        return is_ours and at_start(env) == self._environment

    def start(self, command, *, env, cwd, output):
        """Start a program in a session of its own; both its outputs go to the open file."""
        request = {"arguments": command[1:], "env": env, "cwd": str(cwd)}
        with self._lock:
            # The program's first parent ends at once, and we inherit the child.
            adopt_orphans(True)
            try:
                data = json.dumps(request).encode()
                socket.send_fds(self._channel, [data], [output.fileno()])
                return Forked(int(self._channel.recv(32)))
            finally:
                adopt_orphans(False)

    def stop(self):
        """End the server; what it has forked goes on."""
        self._channel.close()
        self._process.wait(10)


def at_start(env):
    """Return the variables that matter to a starting interpreter."""
    found = {name: value for name, value in env.items() if name.startswith(AT_START)}
    return {name: value for name, value in found.items() if name not in HEEDED}


def adopt_orphans(yes):
    """Become the parent of grandchildren that lose theirs, or no more."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
