"""Goes through the rounds: one stage after the other, each in processes of its own."""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from rich.console import Console

from bench import machine, neighbour, report
from bench.checkouts import ROOT, Subject
from bench.environment import HISTORY, Environment, stage_directory
from bench.journal import Journal
from bench.plan import Plan
from bench.rows import BY_NAME

#: The prefetch multipliers of which the baseline gets the faster.
PREFETCHES = (4, 16)
#: Seconds after which a stage is given up.
PATIENCE = 420
#: Seconds in which pgbench shows what the machine gives; a neighbour then takes a quarter.
CALIBRATION = 10


class Bench:
    """One run: chooses the baseline's prefetch, then goes through the rounds."""

    def __init__(
        self, environment: Environment, options: argparse.Namespace, console: Console
    ) -> None:
        """Measure nothing yet."""
        self.environment, self.options, self.console = environment, options, console
        self.prefetch = options.prefetch or PREFETCHES[0]
        self.neighbour_rate = 0.0
        path = options.output.with_suffix(".jsonl")
        if path.parent == ROOT / "bench" / "results":
            path = ROOT / ".local" / "bench" / path.name
        self.journal = Journal(path, resume=options.resume)

    def run(self, subjects: Sequence[Subject]) -> dict[str, Any]:
        """Return the results' document."""
        started = time.monotonic()
        trials: dict[str, float] = {}
        if not self.options.prefetch and any(each.row.side == "plain" for each in subjects):
            trials = self.journal.measured("prefetch", self._try_prefetches)
            self.prefetch = int(max(trials, key=lambda each: trials[each]))
        if any(each.row.neighbour for each in subjects):
            self.neighbour_rate = self.journal.measured("neighbour", self._neighbour_rate)
        rounds = [self._round(subjects, number) for number in range(self.options.rounds)]
        loads = [each.pop("load_average") for one in rounds for each in one.values()]
        notes = {
            "quick": self.options.quick,
            "prefetch": self.prefetch,
            "prefetch_trials": trials,
            "neighbour_rate": self.neighbour_rate,
            "load_average_before_each_stage": loads,
        }
        beside = {name: self._measure_beside(name, subjects) for name in self.options.beside}
        seconds = {"seconds": round(time.monotonic() - started)}
        described = machine.describe(self.environment)
        return report.document(described, rounds, notes | beside | seconds)

    def _round(self, subjects: Sequence[Subject], number: int) -> dict[str, Any]:
        """Measure every row once; each round begins with another."""
        turn = number % len(subjects)
        order = [*subjects[turn:], *subjects[:turn]]
        measured = {
            each.name: dict(
                self.journal.measured(
                    f"{number + 1} {each.name}", partial(self._measure, each, number + 1)
                )
            )
            for each in order
        }
        return {each.name: measured[each.name] for each in subjects}

    def _try_prefetches(self) -> dict[str, float]:
        """Drain the baseline with each prefetch; return jobs/s by prefetch."""
        subject = Subject(BY_NAME[report.BASELINE])
        plan = self._plan(subject)
        rates = {
            str(each): round(self._stage(subject, plan.drain_only(each))["drain_per_s"], 1)
            for each in PREFETCHES
        }
        self.console.print(f"baseline: prefetches' jobs/s {rates}")
        return rates

    def _neighbour_rate(self) -> float:
        """Return a quarter of the transactions a second that the machine gives to pgbench."""
        url = self.environment.postgres.url(neighbour.DATABASE)
        seconds = 2 if self.options.quick else CALIBRATION
        return round(neighbour.full_rate(url, seconds) / 4, 1)

    def _measure(self, subject: Subject, number: int) -> dict[str, Any]:
        load = round(os.getloadavg()[0], 2)
        result = self._stage(subject, self._plan(subject)) | {"load_average": load}
        self.console.print(f"round {number} {subject.name:<28} {report.line(result)}")
        return result

    def _plan(self, subject: Subject) -> Plan:
        quick, row = self.options.quick, subject.row
        waiting = row.shape == "waiting"
        return Plan(
            row=row.name,
            backlog=row.jobs(self.options.jobs),
            prefetch=self.prefetch,
            enqueue_seconds=0.0 if waiting else 0.5 if quick else 2.0,
            latency_jobs=0 if waiting else 50 if quick else 300,
            warm_up=row.width * 2 if waiting else 50 if quick else 400,
            rest=0.1 if quick else 1.0,
            seconds=self.options.seconds,
            neighbour_rate=self.neighbour_rate,
            neighbour_url=self.environment.postgres.url(neighbour.DATABASE),
        )

    def _stage(self, subject: Subject, plan: Plan) -> dict[str, Any]:
        """Run a stage in a process of its own and return its figures."""
        self.environment.clear(subject)
        directory = stage_directory(self.environment)
        checkout = subject.checkout
        command = [checkout.python, "-m", "bench.stage", plan.dump(), str(directory)]
        env = os.environ | self.environment.environment_of(subject)
        subprocess.run(command, cwd=checkout.root, env=env, check=True, timeout=PATIENCE)
        result: dict[str, Any] = json.loads((directory / "result.json").read_text())
        return result

    def _measure_beside(self, name: str, subjects: Sequence[Subject]) -> Any:
        """Measure what has no row, over the history where there is one."""
        history = any(each.row.history for each in subjects)
        quick = self.options.quick
        arguments = {
            "breaker": ["1000" if quick else "10000"],
            "plain_beside": ["50" if quick else "500"],
            "tailed": ["500" if quick else "2000"],
            "http_bulk": ["1" if quick else "5"],
            "dashboard": [str(HISTORY if history else 20_000)],
            "schedules": ["--quick"] if quick else [],
        }[name]
        row = "celeriac_history" if history and name == "dashboard" else "celeriac"
        subject = Subject(BY_NAME[row])
        return self.journal.measured(name, lambda: self._beside(name, subject, arguments))

    def _beside(self, module: str, subject: Subject, arguments: Sequence[str]) -> Any:
        """Run a module of the bench in a process of its own and return what it wrote."""
        self.environment.clear(subject)
        directory = stage_directory(self.environment)
        command = [subject.checkout.python, "-m", f"bench.{module}", str(directory), *arguments]
        env = os.environ | self.environment.environment_of(subject)
        subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=PATIENCE)
        return json.loads((directory / f"{module}.json").read_text())
