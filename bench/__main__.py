"""`make bench`: rows side by side, in interleaved rounds.

`ROUNDS=` sets how many, `JOBS=` the backlog of the row `celery`, which the
others' follow; see `python -m bench --help`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import machine, report
from bench.environment import HISTORY, Environment, open_environment, stage_directory
from bench.plan import Plan
from bench.rows import BY_NAME, ROWS, USUAL, Row
from celeriac.core.printing import escape_unprintable

ROOT = Path(__file__).resolve().parent.parent
LATEST = ROOT / "bench" / "results" / "latest.json"
QUICK = ROOT / ".local" / "bench-quick.json"
#: The prefetch multipliers of which the baseline gets the faster.
PREFETCHES = (4, 16)
#: Seconds after which a stage is given up.
PATIENCE = 420


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; return the exit code."""
    escape_unprintable()
    options = parse(arguments)
    rows = [BY_NAME[name] for name in options.rows]
    console = Console(width=160 if not sys.stdout.isatty() else None)
    with open_environment(history=any(row.history for row in rows)) as environment:
        content = Bench(environment, options, console).run(rows)
    report.show(content, console)
    report.write(options.output, content)
    console.print(f"written: {options.output}", soft_wrap=True)
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line over the environment."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round; not for figures")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS") or 0))
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS") or 0))
    parser.add_argument("--rows", type=_rows, default=None, help=f"of {', '.join(BY_NAME)}")
    parser.add_argument("--prefetch", type=int, help="for plain rows, instead of the faster one")
    parser.add_argument("--no-history", action="store_true", help="leave celeriac_history out")
    parser.add_argument("--output", type=Path, default=None, help="instead of latest.json")
    options = parser.parse_args(arguments)
    quick = options.quick
    options.rounds = options.rounds or (1 if quick else 3)
    options.jobs = options.jobs or (1_000 if quick else 7_000)
    options.output = options.output or (QUICK if quick else LATEST)
    if options.rows is None:
        no_history = quick or options.no_history
        options.rows = [name for name in USUAL if not (no_history and BY_NAME[name].history)]
    return options


def _rows(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := set(names) - set(BY_NAME):
        raise argparse.ArgumentTypeError(f"there is no row {', '.join(sorted(unknown))}")
    return [row.name for row in ROWS if row.name in names]


@dataclass
class Bench:
    """One run: chooses the baseline's prefetch, then goes through the rounds."""

    environment: Environment
    options: argparse.Namespace
    console: Console
    prefetch: int = PREFETCHES[0]
    loads: list[float] = field(default_factory=list)

    def run(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the results' document."""
        started = time.monotonic()
        trials: dict[str, float] = {}
        if self.options.prefetch:
            self.prefetch = self.options.prefetch
        elif any(row.side == "plain" for row in rows):
            trials = self._choose_prefetch()
        rounds = []
        for number in range(self.options.rounds):
            turn = number % len(rows)
            order = [*rows[turn:], *rows[:turn]]
            measured = {row.name: self._measure(row, number + 1) for row in order}
            rounds.append({row.name: measured[row.name] for row in rows})
        notes = {
            "quick": self.options.quick,
            "prefetch": self.prefetch,
            "prefetch_trials": trials,
            "load_average_before_each_stage": self.loads,
            "breaker": self._beside("breaker", "1000" if self.options.quick else "10000"),
            "tailed": self._tailed(),
            "http_bulk": self._beside("http_bulk", "1" if self.options.quick else "5"),
            "dashboard": self._dashboard(history=any(row.history for row in rows)),
            "schedules": self._schedules(),
            "seconds": round(time.monotonic() - started),
        }
        return report.document(machine.describe(self.environment), rounds, notes)

    def _choose_prefetch(self) -> dict[str, float]:
        """Drain the baseline with each prefetch; keep the faster. Returns jobs/s by prefetch."""
        row = BY_NAME[report.BASELINE]
        plan = self._plan(row)
        rates = {
            each: float(self._stage(row, plan.drain_only(each))["drain_per_s"])
            for each in PREFETCHES
        }
        self.prefetch = max(rates, key=lambda each: rates[each])
        self.console.print(f"baseline: prefetch {self.prefetch} of {_rounded(rates)} jobs/s")
        return {str(each): round(rate, 1) for each, rate in rates.items()}

    def _measure(self, row: Row, number: int) -> dict[str, Any]:
        result = self._stage(row, self._plan(row))
        self.console.print(
            f"round {number} {row.name:<22} drain {result['drain_per_s']:>9,.0f}/s  "
            f"idle p50 {result.get('latency_ms_p50', 0):>6.1f} ms  "
            f"enqueue {result.get('enqueue_per_s', 0):>7,.0f}/s"
        )
        return result

    def _plan(self, row: Row) -> Plan:
        quick = self.options.quick
        return Plan(
            row=row.name,
            backlog=max(100, round(self.options.jobs * row.share)),
            prefetch=self.prefetch,
            enqueue_seconds=0.5 if quick else 2.0,
            latency_jobs=50 if quick else 300,
            warm_up=100 if quick else 400,
        )

    def _stage(self, row: Row, plan: Plan) -> dict[str, Any]:
        """Run a stage in a process of its own and return its figures."""
        self.environment.clear(row)
        self.loads.append(round(os.getloadavg()[0], 2))
        directory = stage_directory(self.environment)
        command = [sys.executable, "-m", "bench.stage", plan.dump(), str(directory)]
        env = self.environment.environment(row.database) | dict(row.env)
        if row.side == "ledger":
            env["BENCH_LEDGER"] = "true"
        subprocess.run(command, cwd=ROOT, env=os.environ | env, check=True, timeout=PATIENCE)
        result: dict[str, Any] = json.loads((directory / "result.json").read_text())
        return result

    def _dashboard(self, *, history: bool) -> Any:
        """Measure a refresh of the dashboard, over the history where there is one."""
        name, rows = ("celeriac_history", HISTORY) if history else ("celeriac", 20_000)
        self.environment.clear(BY_NAME[name])
        return self._beside("dashboard", str(rows), database=name)

    def _tailed(self) -> Any:
        """Measure how short jobs wait behind the long ones of their kind."""
        self.environment.clear(BY_NAME["celeriac"])
        return self._beside("tailed", "500" if self.options.quick else "2000")

    def _schedules(self) -> Any:
        """Measure beats over many schedules and return their figures."""
        self.environment.clear(BY_NAME["celeriac"])
        return self._beside("schedules", *(["--quick"] if self.options.quick else []))

    def _beside(self, module: str, *arguments: str, database: str = "celeriac") -> Any:
        """Run a module of the bench in a process of its own and return what it wrote."""
        directory = stage_directory(self.environment)
        command = [sys.executable, "-m", f"bench.{module}", str(directory), *arguments]
        env = self.environment.environment(BY_NAME[database].database) | {"BENCH_LEDGER": "true"}
        subprocess.run(command, cwd=ROOT, env=os.environ | env, check=True, timeout=PATIENCE)
        return json.loads((directory / f"{module}.json").read_text())


def _rounded(rates: dict[int, float]) -> dict[int, int]:
    return {each: round(rate) for each, rate in rates.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
