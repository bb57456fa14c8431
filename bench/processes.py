"""The processes of one row: workers, and for the ledger's rows a dispatcher."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil

from bench import cpu_time
from bench.rows import Row

ROOT = Path(__file__).resolve().parent.parent
#: Seconds between SIGTERM and SIGKILL.
GRACE = 20.0


class Stuck(Exception):
    """Something did not come about in time; the message says what, and ends with the logs."""


def wait_until(
    condition: Callable[[], object], *, what: str, timeout: float = 90.0, every: float = 0.002
) -> None:
    """Poll until the condition holds; raise Stuck after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise Stuck(f"{what}: not within {timeout:g} s")
        time.sleep(every)


class Processes:
    """Starts a row's processes, knows their memory, and ends them in every case."""

    def __init__(self, row: Row, *, prefetch: int, directory: Path) -> None:
        """Start nothing yet; logs go to `directory`."""
        self.commands = [
            [
                *(sys.executable, "-m", "celery", "-A", row.app, "worker"),
                *(f"--hostname={row.name}-{number}@bench", *row.worker_arguments(prefetch)),
            ]
            for number in range(row.workers)
        ]
        if row.side == "ledger":
            self.commands.append([sys.executable, "manage.py", "dispatcher"])
        self._directory = directory
        self._processes: list[psutil.Popen] = []

    def __enter__(self) -> Self:
        """Start all processes."""
        for number, command in enumerate(self.commands):
            with (self._directory / f"process-{number}.log").open("wb") as log:
                self._processes.append(
                    psutil.Popen(
                        command,
                        cwd=ROOT,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        return self

    def __exit__(self, *details: object) -> None:
        """End all processes, in good order where possible."""
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        for process in self._processes:
            try:
                process.wait(GRACE)
            except psutil.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(GRACE)

    def rss_mb(self) -> float:
        """Return the resident memory of all processes and their children, in MB."""
        each = [p for top in self._processes for p in (top, *top.children(recursive=True))]
        return sum(process.memory_info().rss for process in each) / 1e6

    def cpu_seconds(self) -> cpu_time.Seconds:
        """Return the processor time used so far, by role, servers included."""
        each = [cpu_time.of_servers()]
        for process, command in zip(self._processes, self.commands, strict=True):
            if "worker" in command:
                parent, children = cpu_time.of_worker(process)
                each.append({"parent": parent, "children": children})
            else:
                each.append({"dispatcher": cpu_time.of_tree(process)})
        return cpu_time.total_seconds(each)

    def check(self) -> None:
        """Raise Stuck where a process has ended by itself."""
        for process, command in zip(self._processes, self.commands, strict=True):
            if process.poll() is not None:
                raise Stuck(f"{' '.join(command[1:])} ended with {process.returncode}")

    def logs(self) -> str:
        """Return the ends of what the processes wrote."""
        files = sorted(self._directory.glob("process-*.log"))
        return "\n".join(f"{f.name}:\n{f.read_text(errors='replace')[-3000:]}" for f in files)
