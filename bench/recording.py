"""What is recorded while a load runs: statements, write-ahead log, stacks or system calls.

Each role of a profiled row has a database role of its own, so that PostgreSQL tells who asked.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
from django.db import connection

from bench.checkouts import ROOT
from bench.processes import Processes

#: Database roles by what the processes do.
ROLES = {"worker": "bench_worker", "dispatcher": "bench_dispatcher"}
#: Samples of the stack a second.
RATE = 200
_STATEMENTS = """
SELECT /* bench */ r.rolname, regexp_replace(s.query, '\\s+', ' ', 'g'), s.calls,
       s.total_exec_time, s.total_plan_time, s.rows, s.wal_bytes::bigint
FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = current_database() AND s.query NOT LIKE '%%/* bench */%%'
ORDER BY s.total_exec_time + s.total_plan_time DESC
"""
_RECORDS = """
SELECT /* bench */ "resource_manager/record_type", count, combined_size
FROM pg_get_wal_stats(%s, %s, true) WHERE count > 0
"""
_ENTRIES = """
SELECT /* bench */ c.relname, count(*)
FROM pg_get_wal_block_info(%s, %s) b
JOIN pg_class c ON pg_relation_filenode(c.oid) = b.relfilenode
WHERE b.resource_manager = 'Btree' AND b.record_type LIKE 'INSERT_LEAF%%' GROUP BY 1 ORDER BY 2 DESC
"""
_BACKENDS = """
SELECT /* bench */ pid, usename FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_CALLS = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(?P<calls>\d+)\s+(?:\d+\s+)?(?P<name>\w+)$")


def urls_by_role(url: str) -> dict[str, str]:
    """Return a database's URL as each role's own database role."""
    parts = urlsplit(url)
    rest = f":{parts.password}@{parts.hostname}:{parts.port}"
    return {role: urlunsplit(parts._replace(netloc=name + rest)) for role, name in ROLES.items()}


class Recording:
    """What was recorded of one load."""

    def __init__(self, how: str, processes: Processes, directory: Path) -> None:
        """`how` is `stacks` or `calls`; files go to `directory`."""
        self._how, self._processes, self._directory = how, processes, directory
        self.found: dict[str, Any] = {}

    @contextmanager
    def record(self) -> Iterator[None]:
        """Record while the block runs."""
        observers = [
            self._observe(role, process)
            for role, members in self._processes.members().items()
            for process in members
        ]
        time.sleep(1.0)  # they attach
        self._ask("SELECT /* bench */ pg_stat_statements_reset()::text")
        first = self._ask("SELECT /* bench */ pg_current_wal_insert_lsn()::text")[0][0]
        backends = self._backends()
        yield
        last = self._ask("SELECT /* bench */ pg_current_wal_insert_lsn()::text")[0][0]
        self.found["statements"] = self._ask(_STATEMENTS)
        self.found["backends"] = _differences(self._backends(), backends)
        for _, observer, _ in observers:
            observer.send_signal(signal.SIGINT)
        for _, observer, _ in observers:
            observer.wait(30)
        self.found["records"] = self._ask(_RECORDS, first, last)
        self.found["index_entries"] = self._ask(_ENTRIES, first, last)
        read = _stacks if self._how == "stacks" else _calls
        self.found[self._how] = read([(role, path) for role, _, path in observers])

    def _observe(
        self, role: str, process: psutil.Process
    ) -> tuple[str, "subprocess.Popen[bytes]", Path]:
        """Start what looks at a process until it is interrupted."""
        path = self._directory / f"{self._how}-{process.pid}"
        command = ["strace", "-f", "-c", "-o", str(path), "-p", str(process.pid)]
        if self._how == "stacks":
            command = [_py_spy(), "record", "--format=raw", f"--rate={RATE}", "--nonblocking"]
            command += ["--duration=600", f"--output={path}", f"--pid={process.pid}"]
        log = (self._directory / f"{self._how}.log").open("ab")
        with log:
            observer = subprocess.Popen(command, stdout=log, stderr=log)
        return role, observer, path

    def _backends(self) -> dict[str, float]:
        """Return the processor seconds of the database's processes by the role they serve."""
        seconds: defaultdict[str, float] = defaultdict(float)
        for pid, role in self._ask(_BACKENDS):
            times = psutil.Process(pid).cpu_times()
            seconds[role] += times.user + times.system
        return dict(seconds)

    def _ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return [tuple(map(_plain, row)) for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    """Return a value as JSON can keep it; counts that come as decimals are whole."""
    return int(value) if isinstance(value, Decimal) else value


def _differences(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {role: seconds - before.get(role, 0.0) for role, seconds in after.items()}


def _py_spy() -> str:
    """Return the path of py-spy, which comes with the tools."""
    found = shutil.which("py-spy", path=f"{ROOT}/.local/tools/bin:{os.environ.get('PATH', '')}")
    if not found:
        raise RuntimeError("There is no py-spy: `make profile` installs it.")
    return found


def _stacks(files: list[tuple[str, Path]]) -> dict[str, int]:
    """Return the samples by stack; the outermost frame is the role."""
    samples: Counter[str] = Counter()
    for role, path in files:
        for line in path.read_text().splitlines() if path.exists() else ():
            stack, _, count = line.rpartition(" ")
            samples[f"{role};{stack}"] += int(count)
    return dict(samples)


def _calls(files: list[tuple[str, Path]]) -> dict[str, dict[str, int]]:
    """Return how often each role made each system call."""
    made: dict[str, Counter[str]] = {}
    for role, path in files:
        for line in path.read_text().splitlines() if path.exists() else ():
            if (found := _CALLS.match(line)) and found["name"] != "total":
                made.setdefault(role, Counter())[found["name"]] += int(found["calls"])
    return {role: dict(counted) for role, counted in made.items()}
