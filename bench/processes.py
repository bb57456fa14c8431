"""The processes of one row: workers, and for the ledger's rows a dispatcher."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import psutil

from bench import cpu_time
from bench.rows import Row

#: Names the database's URL by role in the environment of a profile.
URLS = "BENCH_URLS"
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

    def __init__(
        self,
        row: Row,
        *,
        prefetch: int,
        directory: Path,
        env: Mapping[str, str] | None = None,
        dispatches: bool = True,
    ) -> None:
        """Start nothing yet; logs go to `directory`."""
        self._env = env or {}
        self.commands = [
            [sys.executable, *_named(row.worker_command(prefetch), f"{row.name}-{number}@bench")]
            for number in range(row.workers)
        ]
        if row.side == "ledger" and dispatches:
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
                        env=self._environment(command),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        return self

    def _environment(self, command: list[str]) -> dict[str, str]:
        """Return a process's environment: a profile tells its database role from the others'."""
        urls = json.loads(os.environ.get(URLS, "{}"))
        url = urls.get("dispatcher" if "dispatcher" in command else "worker")
        return {**os.environ, **self._env, **({"DATABASE_URL": url} if url else {})}

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

    def members(self) -> dict[str, list[psutil.Process]]:
        """Return all processes by role; a worker without children is a child itself."""
        members: dict[str, list[psutil.Process]] = {}
        for process, command in zip(self._processes, self.commands, strict=True):
            children = process.children(recursive=True)
            if "dispatcher" in command:
                members.setdefault("dispatcher", []).extend([process, *children])
            else:
                members.setdefault("parent" if children else "children", []).append(process)
                members.setdefault("children", []).extend(children)
        return members

    def memory_mb(self) -> dict[str, Any]:
        """Return the resident memory of all processes, and by role what they have to themselves.

        Pages that processes share are counted in each in `rss_mb`, divided among those that have
        them in `pss_mb`, and left out in `uss_mb`.
        """
        found: dict[str, dict[str, float]] = {"pss_mb": {}, "uss_mb": {}}
        rss = 0.0
        for role, processes in self.members().items():
            each = [process.memory_full_info() for process in processes]
            rss += sum(one.rss for one in each) / 1e6
            found["pss_mb"][role] = sum(getattr(one, "pss", one.rss) for one in each) / 1e6
            found["uss_mb"][role] = sum(one.uss for one in each) / 1e6
        sums = {name: by_role | {"all": sum(by_role.values())} for name, by_role in found.items()}
        return {"rss_mb": rss, **sums}

    def connections(self, port: int) -> dict[str, int]:
        """Return how many connections to a port of this machine each role has."""
        return {
            role: sum(_connections(process, port) for process in found)
            for role, found in self.members().items()
        }

    def cpu_seconds(self) -> cpu_time.Seconds:
        """Return the processor time used so far, by role, servers included."""
        each = [cpu_time.of_servers()]
        for process, command in zip(self._processes, self.commands, strict=True):
            if "dispatcher" in command:
                each.append({"dispatcher": cpu_time.of_tree(process)})
            else:
                parent, children = cpu_time.of_worker(process)
                each.append({"parent": parent, "children": children})
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


def _named(command: list[str], name: str) -> list[str]:
    """Add a worker's name; others name themselves."""
    if command[:2] != ["-m", "celery"]:
        return command
    at = command.index("worker") + 1
    return [*command[:at], f"--hostname={name}", *command[at:]]


def _connections(process: psutil.Process, port: int) -> int:
    return len(
        [each for each in process.net_connections("tcp") if each.raddr and each.raddr.port == port]
    )
