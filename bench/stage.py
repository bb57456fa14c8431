"""One row in one round, in a process of its own: `python -m bench.stage PLAN DIRECTORY`.

The environment names the servers. The result goes to DIRECTORY/result.json.
"""

import json
import logging
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import django

from bench import counters, cpu_time
from bench.backends import Backend
from bench.plan import Plan
from bench.processes import Processes, wait_until
from bench.rows import BY_NAME
from bench.timestamps import VARIABLE, Timestamps

#: Seconds of rest before each phase, for what the last one left behind.
REST = 1.0
#: Seconds that a backlog may take.
PATIENCE = 180.0


def main(plan: Plan, directory: Path) -> None:
    """Measure and write the result."""
    logging.disable(logging.WARNING)
    timestamps = Timestamps(
        directory / "timestamps", plan.warm_up + plan.backlog + plan.latency_jobs
    )
    os.environ[VARIABLE] = str(timestamps.path)
    django.setup()
    from bench import backends  # needs Django

    row = BY_NAME[plan.row]
    before = counters.versions()
    with Processes(row, prefetch=plan.prefetch, directory=directory) as processes:
        try:
            result = Stage(plan, backends.backend_of(row), processes, timestamps).measure()
        except Exception:
            sys.stderr.write(processes.logs())
            raise
    if row.side == "ledger":
        jobs = plan.warm_up + plan.backlog + plan.latency_jobs
        result |= counters.versions().per_job(before, jobs)
    result["commands"] = [" ".join(["python", *command[1:]]) for command in processes.commands]
    (directory / "result.json").write_text(json.dumps(result))


class Stage:
    """The phases, in order: warm up, enqueue, drain, rest, latency."""

    def __init__(
        self, plan: Plan, side: Backend, processes: Processes, timestamps: Timestamps
    ) -> None:
        """Measure nothing yet."""
        self._plan = plan
        self._side = side
        self._processes = processes
        self._timestamps = timestamps

    def measure(self) -> dict[str, Any]:
        """Return the figures of this round."""
        self._warm_up()
        self._side.hold()
        numbers = self._timestamps.reserve(self._plan.backlog)
        result = self._enqueue(numbers)
        result |= self._drain(len(numbers))
        result["rss_mb"] = self._processes.rss_mb()
        if self._plan.latency_jobs:
            result |= self._latency()
        return result

    def _warm_up(self) -> None:
        self._side.wait_for_workers()
        self._side.enqueue_many(self._timestamps.reserve(self._plan.warm_up))
        self._await("the warm-up ends", timeout=90)
        time.sleep(REST)

    def _enqueue(self, numbers: range) -> dict[str, Any]:
        """One by one for a while, a transaction each; then the rest at once."""
        before, started = counters.traffic(), time.monotonic()
        count = 0
        while count < len(numbers) and time.monotonic() - started < self._plan.enqueue_seconds:
            self._side.enqueue(numbers[count])
            count += 1
        result: dict[str, Any] = {}
        if count:
            result["enqueue_per_s"] = count / (time.monotonic() - started)
            used = counters.traffic().per_job(before, count)
            result |= {f"enqueue_{name}": value for name, value in used.items()}
        rest = numbers[count:]
        started = time.monotonic()
        self._side.enqueue_many(rest)
        if len(rest) >= 100:
            result["enqueue_many_per_s"] = len(rest) / (time.monotonic() - started)
        return result

    def _drain(self, jobs: int) -> dict[str, Any]:
        self._side.wait_for_workers()
        time.sleep(REST)
        spent = self._processes.cpu_seconds()
        before, started = counters.traffic(), time.monotonic()
        self._side.release()
        self._await("the backlog is drained", timeout=PATIENCE)
        seconds = time.monotonic() - started
        used: dict[str, Any] = counters.traffic().per_job(before, jobs)
        used["cpu_us_per_job"] = cpu_time.per_job(self._processes.cpu_seconds(), spent, jobs)
        return {"drain_jobs": jobs, "drain_seconds": seconds, "drain_per_s": jobs / seconds} | used

    def _latency(self) -> dict[str, Any]:
        time.sleep(REST)
        numbers = self._timestamps.reserve(self._plan.latency_jobs)
        committed = []
        due = time.monotonic()
        for number in numbers:
            due += self._plan.latency_gap
            time.sleep(max(0.0, due - time.monotonic()))
            committed.append(self._side.enqueue(number))
        self._await("the last job has run", timeout=60)
        waits = [
            (self._timestamps[number] - at) / 1e6
            for number, at in zip(numbers, committed, strict=True)
        ]
        cuts = statistics.quantiles(waits, n=100, method="inclusive")
        return {"latency_ms_p50": cuts[49], "latency_ms_p99": cuts[98]}

    def _await(self, what: str, *, timeout: float) -> None:
        """Wait until every handler has run and every job is settled."""

        def all_ran() -> bool:
            self._processes.check()
            return self._timestamps.all_ran()

        wait_until(all_ran, what=what, timeout=timeout)
        wait_until(self._side.is_settled, what=f"{what}, settled", timeout=60)


if __name__ == "__main__":
    main(Plan.load(sys.argv[1]), Path(sys.argv[2]))
