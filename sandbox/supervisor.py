"""Leaves nothing behind, however its owner dies.

Every process of a run inherits a random token in its environment. A small supervisor process holds
one end of a pipe; when the owner ends for any reason, SIGKILL included, the pipe closes, and the
supervisor stops whatever still carries the token and removes the directories it was told of.

A token finds grandchildren and daemons that no list of pids would know, and it can't name a
stranger that got a reused pid.
"""

import os
import secrets
import subprocess
import sys
from pathlib import Path

#: The environment variable that marks the processes of a run.
TOKEN = "CELERIAC_RUN"  # noqa: S105 the name of a mark, not a secret
#: What the owner says when it has stopped its programs itself.
END = "end"
ROOT = Path(__file__).resolve().parent.parent
#: Seconds in which a run's processes must have ended, servers included.
DEADLINE = 40


class Supervisor:
    """The owner's end: start it once, tell it what to remove, close it last."""

    def __init__(self, *, grace: float = 5.0) -> None:
        """Start the process; `grace` is the time between SIGTERM and SIGKILL, in seconds."""
        self.token = secrets.token_hex(16)
        env = {name: value for name, value in os.environ.items() if name != TOKEN}
        for_the_reaper, ours = os.pipe()
        self._pipe = os.fdopen(ours, "wb", buffering=0)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.supervisor_process", self.token, str(grace)],
            cwd=ROOT,
            env=env,
            stdin=for_the_reaper,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(for_the_reaper)
        self._owner = os.getpid()
        os.environ[TOKEN] = self.token

    def remove_at_end(self, directory: Path) -> None:
        """Have `directory` removed at the end. Call it before the directory is made."""
        self._pipe.write(f"{directory}\n".encode())

    def close(self) -> None:
        """Stop what still runs, remove what was named, and wait for both."""
        if os.getpid() != self._owner:
            return
        # A forked child may hold the pipe open, hence a word and not only the end of file.
        self._pipe.write(f"{END}\n".encode())
        self._pipe.close()
        self._process.wait(DEADLINE)
        if os.environ.get(TOKEN) == self.token:
            del os.environ[TOKEN]


_current: list[Supervisor] = []


def current_supervisor() -> Supervisor:
    """Return this process's supervisor, started at the first call."""
    if not _current or _current[0]._owner != os.getpid():
        _current[:] = [Supervisor()]
    return _current[0]


def close() -> None:
    """Close this process's supervisor, if it has one."""
    while _current:
        _current.pop().close()
