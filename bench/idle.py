"""What a platform takes that has nothing to do: `python -m bench.idle [--seconds N]`.

The Procfile's web server, dispatcher, worker and beat run on servers of their own, with a database
role each; canaries and periodic jobs run as shipped. Then the same with Flower and the stand-ins,
which are told apart. Figures go to bench/results/idle.json.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import redis
from psycopg import sql
from rich.console import Console
from rich.table import Table

from bench import cpu_time, machine
from bench.checkouts import ROOT
from bench.environment import Environment, open_environment
from bench.report import write
from celeriac.core.printing import escape_unprintable
from sandbox import platform, ports
from sandbox.procfile import parts_of_procfile
from sandbox.run import with_venv

OUTPUT = ROOT / "bench" / "results" / "idle.json"
DATABASE = "bench_ledger"
#: The platform, and what a laptop runs beside it.
PARTS = ("web", "dispatcher", "worker", "beat")
BESIDE = ("worker-payments", "flower", "gateway", "mailsink")
#: Statements that are shown one by one.
MOST = 25
_STATEMENTS = """
SELECT r.rolname, regexp_replace(s.query, '\\s+', ' ', 'g'), sum(s.calls)::bigint,
       sum(s.total_exec_time), sum(s.total_plan_time)
FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid GROUP BY 1, 2
"""
#: A text that is prepared anew now and then bears a number at its end.
_LIFE = re.compile(r"/\* \d+ \*/$")
type Counted = dict[str, dict[str, float]]
#: Calls, milliseconds of execution and of planning, by who asked and what.
type Statements = dict[tuple[str, str], tuple[float, float, float]]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; return the exit code."""
    escape_unprintable()
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="of each of the two stretches")
    parser.add_argument("--settle", type=float, default=60.0, help="seconds before each")
    parser.add_argument("--alone", action="store_true", help="leave Flower and stand-ins out")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    console = Console(width=120 if not sys.stdout.isatty() else None)
    with open_environment([]) as environment:
        found = {
            "machine": machine.describe(environment),
            "alone": measured(environment, PARTS, options),
        }
        if not options.alone:
            found["with_flower"] = measured(environment, (*PARTS, *BESIDE), options)
    for name in [each for each in found if each != "machine"]:
        console.print(_table(name, found[name]))
    console.print(_statement_table(found["alone"]["by_statement"]))
    write(options.output, found)
    console.print(f"written: {options.output}", soft_wrap=True)
    return 0


def measured(
    environment: Environment, names: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Run these parts and return what each takes while nothing is to be done."""
    with running(environment, names) as processes:
        _sleep(options.settle, processes)
        asked = _statements(environment)
        before, started = _counted(environment, processes), time.monotonic()
        _sleep(options.seconds, processes)
        after, seconds = _counted(environment, processes), time.monotonic() - started
        each = _by_statement(_statements(environment), asked, seconds)
    cores = {
        name: round((after["cpu"][name] - before["cpu"].get(name, 0.0)) / seconds, 5)
        for name in after["cpu"]
    }
    statements: dict[str, float] = {}
    for role, _, calls, *_ in each:
        statements[role] = round(statements.get(role, 0.0) + calls, 1)
    commands = after["commands"]["valkey"] - before["commands"]["valkey"]
    statements["valkey (commands)"] = round(60 * commands / seconds, 1)
    platform_names = (*PARTS, "postgres", "valkey")
    return {
        "seconds": round(seconds, 1),
        "cores": cores,
        "cores_platform": round(sum(cores[name] for name in platform_names), 5),
        "statements_per_minute": statements,
        "by_statement": each,
        "memory_mb": after["memory"],
    }


@contextmanager
def running(environment: Environment, names: Sequence[str]) -> Iterator[dict[str, psutil.Popen]]:
    """Yield the processes of these parts, which live as long as the block."""
    base = with_venv(os.environ | platform.settings() | environment.environment(DATABASE))
    base |= {"BENCH_PLATFORM": "true", "WEB_PORT": str(ports.free_port()), "BENCH_LEDGER": "true"}
    base["CELERIAC_SLOT_DIRECTORY"] = str(environment.directory / "slots")
    processes: dict[str, psutil.Popen] = {}
    try:
        for name in names:
            url = _url_of(environment, name)
            with (environment.directory / f"idle-{name}.log").open("ab") as log:
                processes[name] = psutil.Popen(
                    ["/bin/sh", "-c", parts_of_procfile()[name]],
                    cwd=ROOT,
                    env=base | {"DATABASE_URL": url},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        yield processes
    finally:
        for process in processes.values():
            if process.is_running():
                process.terminate()
        for process in processes.values():
            try:
                process.wait(20)
            except psutil.TimeoutExpired:
                process.kill()


def _url_of(environment: Environment, name: str) -> str:
    """Return the database's URL as a part's own role, made when it is not there."""
    url = environment.postgres.url(DATABASE)
    role = f"bench_{name}"
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            made = sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}")
            password = sql.Literal(connection.info.password)
            connection.execute(made.format(sql.Identifier(role), password))
    parts = urlsplit(url)
    rest = f"{role}:{parts.password}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=rest))


def _sleep(seconds: float, processes: Mapping[str, psutil.Popen]) -> None:
    """Wait; raise where a part has ended meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(2.0, left))
        if ended := [name for name, process in processes.items() if process.poll() is not None]:
            raise RuntimeError(f"{', '.join(ended)} ended by itself")


def _counted(environment: Environment, processes: Mapping[str, psutil.Popen]) -> Counted:
    """Return processor seconds, the broker's commands and memory so far, by part."""
    cpu = {name: cpu_time.of_tree(process) for name, process in processes.items()}
    servers = {"postgres": environment.postgres.pid, "valkey": environment.valkey.pid}
    cpu |= {name: cpu_time.of_tree(psutil.Process(pid)) for name, pid in servers.items()}
    commands = redis.Redis.from_url(environment.valkey.url(0)).info("stats")
    return {
        "cpu": cpu,
        "commands": {"valkey": float(commands["total_commands_processed"])},
        "memory": {name: _memory_mb(process) for name, process in processes.items()},
    }


def _statements(environment: Environment) -> Statements:
    """Return what each part has asked the database so far; the bench's own is left out."""
    found: Statements = {}
    with psycopg.connect(environment.postgres.url(DATABASE)) as connection:
        for role, query, *figures in connection.execute(_STATEMENTS).fetchall():
            key = str(role).removeprefix("bench_"), _LIFE.sub("", str(query))
            if str(role).startswith("bench_"):
                known = found.get(key, (0.0, 0.0, 0.0))
                calls, spent, planned = (a + float(b) for a, b in zip(known, figures, strict=True))
                found[key] = calls, spent, planned
    return found


def _by_statement(
    after: Statements, before: Statements, seconds: float
) -> list[tuple[str, str, float, float, float]]:
    """Return who asked what: calls, milliseconds of execution and of planning a minute."""
    found = []
    for (role, query), figures in after.items():
        known = before.get((role, query), (0.0, 0.0, 0.0))
        each = [round(60 * (a - b) / seconds, 2) for a, b in zip(figures, known, strict=True)]
        if each[0] > 0:
            found.append((role, query[:300], each[0], each[1], each[2]))
    return sorted(found, key=lambda row: -(row[3] + row[4]))


def _memory_mb(process: psutil.Process) -> float:
    """Return the proportional share of a part's processes."""
    each = [process, *process.children(recursive=True)]
    return round(sum(one.memory_full_info().pss for one in each) / 1e6, 1)


def _table(name: str, found: Mapping[str, Any]) -> Table:
    table = Table(title=f"nothing to do, {name.replace('_', ' ')}, for {found['seconds']:g} s")
    for heading in ("part", "% of a core", "statements a minute", "memory MB"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    statements, memory = found["statements_per_minute"], found["memory_mb"]
    for part in dict.fromkeys((*found["cores"], *statements)):
        cores = f"{100 * found['cores'][part]:.2f}" if part in found["cores"] else "-"
        table.add_row(part, cores, f"{statements.get(part, 0):,.0f}", f"{memory.get(part, 0):,.0f}")
    table.caption = f"the platform: {found['cores_platform']:.2%} of a core"
    return table


def _statement_table(rows: Sequence[Sequence[Any]]) -> Table:
    table = Table(title="the dearest statements, a minute")
    for heading in ("who", "calls", "exec ms", "plan ms", "statement"):
        table.add_column(heading, no_wrap=True, max_width=70)
    for who, query, *figures in rows[:MOST]:
        table.add_row(who, *(f"{each:,.1f}" for each in figures), query[:70])
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
