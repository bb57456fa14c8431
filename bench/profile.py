"""`make profile`: what a job costs, by phase and statement, for three loads.

`python -m bench.profile [LOAD…] [--pictures DIRECTORY]`; a load is `backlog`, `steady` or `idle`.
Each runs twice, once with its stacks sampled and once with its system calls counted, which slows
it: times and statements are the first run's. Figures go to .local/bench/profile/LOAD.json.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from bench import flame
from bench.checkouts import ROOT, Subject
from bench.environment import Environment, open_environment, stage_directory
from bench.plan import Plan
from bench.processes import URLS
from bench.recording import ROLES, urls_by_role
from bench.report import CPU, write
from bench.rows import BY_NAME
from celeriac.core.printing import escape_unprintable

#: The row of each load, its jobs and the phase that is recorded.
LOADS = {
    "backlog": ("celeriac", 60_000, "drain"),
    "steady": ("celeriac_steady", 0, "steady"),
    "idle": ("celeriac", 100, "latency"),
}
OUTPUT = ROOT / ".local" / "bench" / "profile"
#: Statements and system calls that are shown.
MOST = 16


def main(arguments: Sequence[str]) -> int:
    """Record, print, draw; return the exit code."""
    escape_unprintable()
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("loads", nargs="*", metavar="LOAD", help=", ".join(LOADS))
    parser.add_argument("--seconds", type=float, default=20.0, help="of the steady load")
    parser.add_argument("--jobs", type=int, default=0, help="of the backlog")
    parser.add_argument("--pictures", type=Path, help="where flame pictures go; OUTPUT otherwise")
    options = parser.parse_args(arguments)
    loads = options.loads or list(LOADS)
    if unknown := set(loads) - set(LOADS):
        parser.error(f"there is no load {', '.join(sorted(unknown))}")
    console = Console(width=150 if not sys.stdout.isatty() else None)
    subjects = [Subject(BY_NAME[LOADS[load][0]]) for load in loads]
    with open_environment(subjects) as environment:
        prepare(environment, subjects[0].database)
        for load, subject in zip(loads, subjects, strict=True):
            found = profiled(environment, subject, load, options)
            write(OUTPUT / f"{load}.json", found)
            draw(load, found, options.pictures or OUTPUT)
            show(load, found, console)
    return 0


def prepare(environment: Environment, database: str) -> None:
    """Make what tells who asked, and what reads the write-ahead log."""
    url = environment.postgres.url(database)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_walinspect")
        for role in ROLES.values():
            made = sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}")
            password = sql.Literal(connection.info.password)
            connection.execute(made.format(sql.Identifier(role), password))


def profiled(
    environment: Environment, subject: Subject, load: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Run a load twice and return what was recorded, for each of its jobs."""
    jobs, phase = LOADS[load][1:]
    jobs = options.jobs or jobs
    plan = Plan(subject.row.name, jobs, 4, seconds=options.seconds, phase=phase)
    found: dict[str, Any] = {}
    for how in ("calls", "stacks"):
        environment.clear(subject)
        found |= _run(environment, subject, plan, how)
    number = {"drain": jobs, "latency": plan.latency_jobs}.get(
        phase, round(subject.row.rate * plan.seconds)
    )
    key = "latency_cpu_us_per_job" if phase == "latency" else CPU
    return {
        "load": load,
        "jobs": number,
        CPU: found[key],
        **found["recorded"],
        "calls": found["calls"],
    }


def _run(environment: Environment, subject: Subject, plan: Plan, how: str) -> dict[str, Any]:
    directory = stage_directory(environment)
    env = os.environ | environment.environment_of(subject)
    env[URLS] = json.dumps(urls_by_role(env["DATABASE_URL"]))
    given = Plan(**json.loads(plan.dump()) | {"record": how})
    command = [sys.executable, "-m", "bench.stage", given.dump(), str(directory)]
    subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=420)
    result: dict[str, Any] = json.loads((directory / "result.json").read_text())
    return {"calls": result["recorded"]["calls"]} if how == "calls" else result


def draw(load: str, found: Mapping[str, Any], directory: Path) -> None:
    """Write the flame picture."""
    directory.mkdir(parents=True, exist_ok=True)
    title = f"{load}: where the Python processes' time goes"
    (directory / f"flame-{load}.svg").write_text(flame.picture(title, found["stacks"]))


def show(load: str, found: Mapping[str, Any], console: Console) -> None:
    """Print the figures for each job."""
    jobs = found["jobs"]
    spent = ", ".join(f"{role} {us:,.0f}" for role, us in found[CPU].items())
    console.print(f"\n{load}: {jobs:,} jobs; processor us a job: {spent}", soft_wrap=True)
    console.print(_statements(found["statements"], jobs))
    backends = {role: 1e6 * seconds / jobs for role, seconds in found["backends"].items()}
    console.print(_line("PostgreSQL's processor us a job, by who asked", backends), soft_wrap=True)
    records = {name: count / jobs for name, count, _ in found["records"]}
    console.print(_line("records of write-ahead log a job", records), soft_wrap=True)
    volume = sum(size for _, _, size in found["records"]) / jobs
    console.print(f"bytes of write-ahead log a job: {volume:,.0f}")
    entries = {name: count / jobs for name, count in found["index_entries"]}
    console.print(_line("index entries a job", entries), soft_wrap=True)
    for role, calls in found["calls"].items():
        console.print(
            _line(f"{role}'s system calls a job", {n: c / jobs for n, c in calls.items()}),
            soft_wrap=True,
        )


def _statements(rows: Sequence[Sequence[Any]], jobs: int) -> Table:
    table = Table(title="statements, by processor time")
    for heading in ("who", "calls/job", "exec us/job", "plan us/job", "rows/job", "WAL B/job"):
        table.add_column(heading, justify="right" if heading != "who" else "left")
    table.add_column("statement", no_wrap=True, max_width=70)
    for who, query, calls, spent, planned, count, volume in rows[:MOST]:
        numbers = (calls, 1e3 * spent, 1e3 * planned, count, volume)
        table.add_row(who, *(f"{each / jobs:,.2f}" for each in numbers), query[:70])
    return table


def _line(title: str, figures: Mapping[str, float]) -> str:
    most = sorted(figures.items(), key=lambda item: -item[1])[:MOST]
    return f"{title}: " + ", ".join(f"{name} {value:,.2f}" for name, value in most)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
