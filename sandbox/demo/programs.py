"""The platform's processes: each in a group of its own, its output in a log."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.platform import ROOT

#: Seconds between SIGTERM and SIGKILL at the end, when nothing runs any more.
GRACE = 15.0
_TAIL = 2_000


class ProgramEnded(Exception):
    """A part of the platform ended though nobody asked it to."""


class Program:
    """One running command."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], logs: Path
    ) -> None:
        """Start the command in the repository's root."""
        self.name = name
        self.log = logs / f"{name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is also its group's."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, None while it runs."""
        return self._process.poll()

    @property
    def output(self) -> str:
        """Everything that it has written so far."""
        return self.log.read_text(errors="replace")

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self.exit_code is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it and all that it started, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(GRACE)

    def wait(self, timeout: float) -> None:
        """Wait for its end; kill the group after `timeout` seconds."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()


class Programs:
    """All programs of one run."""

    def __init__(self, logs: Path) -> None:
        """Start nothing yet; `env` is what every program gets."""
        self.env: Mapping[str, str] = {}
        self.logs = logs
        self._running: dict[str, Program] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Sequence[str]) -> Program:
        """Start a command under a name of its own."""
        program = self._running[name] = Program(name, command, self.env, self.logs)
        return program

    def named(self, prefix: str) -> list[Program]:
        """Return the programs whose names begin so."""
        return [each for name, each in self._running.items() if name.startswith(prefix)]

    def kill(self, program: Program) -> None:
        """Kill a program's group; from now on its end is no surprise."""
        del self._running[program.name]
        program.kill()

    def check(self) -> None:
        """Raise ProgramEnded when one has failed, or ended that should serve."""
        for name, program in self._running.items():
            code = program.exit_code
            if code is not None and not (code == 0 and name.startswith("client")):
                tail = program.output[-_TAIL:]
                raise ProgramEnded(f"{name} ended with status {code}. Its log ends:\n{tail}")

    def stop(self) -> None:
        """End all, in good order where possible."""
        programs = list(self._running.values())
        for program in programs:
            program.ask_to_end()
        deadline = time.monotonic() + GRACE
        for program in programs:
            program.wait(max(0.1, deadline - time.monotonic()))
