"""One row in one round, in a process of its own: `python -m bench.stage PLAN DIRECTORY`.

The environment names the servers. The result goes to DIRECTORY/result.json.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django

from bench import counters, cpu_time
from bench.percentiles import percentiles
from bench.plan import Plan
from bench.processes import Processes, wait_until
from bench.rows import Row, row_named
from bench.timestamps import VARIABLE, Timestamps

if TYPE_CHECKING:
    from bench.backends import Backend

#: Seconds that a backlog may take.
PATIENCE = 180.0


def main(plan: Plan, directory: Path) -> None:
    """Measure and write the result."""
    logging.disable(logging.WARNING)
    row = row_named(plan.row)
    steady = round(row.rate * plan.seconds)
    jobs = plan.warm_up + (steady if row.shape == "steady" else plan.backlog + plan.latency_jobs)
    timestamps = Timestamps(directory / "timestamps", jobs)
    os.environ[VARIABLE] = str(timestamps.path)
    django.setup()
    from bench import backends  # needs Django
    from bench.peers.base import peer_of

    before = counters.versions() if row.side == "ledger" else None
    with Processes(row, prefetch=plan.prefetch, directory=directory) as processes:
        try:
            side = peer_of(row) if row.peer else backends.backend_of(row)
            stage = Stage(plan, row, side, processes, timestamps, directory)
            result = stage.measure()
        except Exception:
            sys.stderr.write(processes.logs())
            raise
    if before:
        result |= counters.versions().per_job(before, jobs)
    result["commands"] = [" ".join(["python", *command[1:]]) for command in processes.commands]
    if stage.recorded:
        result["recorded"] = stage.recorded
    (directory / "result.json").write_text(json.dumps(result))


class Stage:
    """The phases of a row, in order: warm up; enqueue, drain, latency; or a steady load."""

    def __init__(
        self,
        plan: Plan,
        row: Row,
        side: "Backend",
        processes: Processes,
        timestamps: Timestamps,
        directory: Path,
    ) -> None:
        """Measure nothing yet."""
        self._plan, self._row = plan, row
        self._side = side
        self._processes = processes
        self._timestamps = timestamps
        self._directory = directory
        self.recorded: dict[str, Any] = {}

    def measure(self) -> dict[str, Any]:
        """Return the figures of this round."""
        self._warm_up()
        if self._row.shape == "steady":
            return self._steady() | self._processes.memory_mb()
        self._side.hold()
        numbers = self._timestamps.reserve(self._plan.backlog)
        result = self._enqueue(numbers)
        result |= self._drain(len(numbers))
        result |= self._processes.memory_mb()
        if self._plan.latency_jobs:
            result |= self._latency()
        return result

    @contextmanager
    def _recorded(self, phase: str) -> Iterator[None]:
        """Record a phase while the block runs, where the plan says so."""
        if self._plan.phase != phase:
            yield
            return
        from bench.recording import Recording

        recording = Recording(self._plan.record, self._processes, self._directory)
        with recording.record():
            yield
        self.recorded = recording.found

    def _warm_up(self) -> None:
        self._side.wait_for_workers(self._processes.check)
        self._side.enqueue_many(self._timestamps.reserve(self._plan.warm_up))
        self._await("the warm-up ends", timeout=90)
        time.sleep(self._plan.rest)

    def _enqueue(self, numbers: range) -> dict[str, Any]:
        """One by one for a while, a transaction each; then the rest at once."""
        before, spent, started = counters.traffic(), self._spent(), time.monotonic()
        count = 0
        while count < len(numbers) and time.monotonic() - started < self._plan.enqueue_seconds:
            self._side.enqueue(numbers[count])
            count += 1
        result: dict[str, Any] = {}
        if count:
            result["enqueue_per_s"] = count / (time.monotonic() - started)
            result["enqueue_cpu_us_per_job"] = cpu_time.per_job(self._spent(), spent, count)
            used = counters.traffic().per_job(before, count)
            result |= {f"enqueue_{name}": value for name, value in used.items()}
        rest = numbers[count:]
        started = time.monotonic()
        self._side.enqueue_many(rest)
        if len(rest) >= 100:
            result["enqueue_many_per_s"] = len(rest) / (time.monotonic() - started)
        return result

    def _drain(self, jobs: int) -> dict[str, Any]:
        self._side.wait_for_workers(self._processes.check)
        time.sleep(self._plan.rest)
        spent = self._processes.cpu_seconds()
        before = counters.traffic()
        with self._recorded("drain"):
            started = time.monotonic()
            self._side.release()
            self._await("the backlog is drained", timeout=PATIENCE)
            seconds = time.monotonic() - started
        used: dict[str, Any] = counters.traffic().per_job(before, jobs)
        used["cpu_us_per_job"] = cpu_time.per_job(self._processes.cpu_seconds(), spent, jobs)
        return {"drain_jobs": jobs, "drain_seconds": seconds, "drain_per_s": jobs / seconds} | used

    def _latency(self) -> dict[str, Any]:
        """Jobs one at a time into an idle system."""
        from bench import paced

        time.sleep(self._plan.rest)
        numbers = self._timestamps.reserve(self._plan.latency_jobs)
        spent = self._spent()
        with self._recorded("latency"):
            committed = paced.enqueue_paced(self._side, numbers, self._plan.latency_gap)
            self._await("the last job has run", timeout=60)
        used = cpu_time.per_job(self._spent(), spent, len(numbers))
        waits = paced.waits_ms(self._timestamps, numbers, committed)
        return percentiles(waits) | {"latency_cpu_us_per_job": used}

    def _steady(self) -> dict[str, Any]:
        """Jobs at the row's rate for a while, without a backlog."""
        from bench import paced

        numbers = self._timestamps.reserve(round(self._row.rate * self._plan.seconds))
        time.sleep(self._plan.rest)
        with ExitStack() as stack:
            neighbour = self._neighbour(stack)
            stack.enter_context(self._recorded("steady"))
            spent, before = self._spent(), counters.database()
            started = time.monotonic()
            committed = paced.enqueue_paced(self._side, numbers, 1 / max(self._row.rate, 1.0))
            published = time.monotonic() - started
            connections = self._processes.connections(counters.port())
            self._await("the last job has run", timeout=60)
            time.sleep(max(0.0, self._plan.seconds - published) if neighbour else 0.0)
            seconds, jobs = time.monotonic() - started, max(1, len(numbers))
            used = cpu_time.per_job(self._spent(), spent, jobs)
            result = counters.database().per_job(before, jobs)
            result |= {"postgres_cores": (used["postgres"] * jobs / 1e6) / seconds}
            result |= neighbour() if neighbour else {}
        if not numbers:
            return result
        waits = paced.waits_ms(self._timestamps, numbers, committed)
        return {
            "offered_per_s": len(numbers) / published,
            "cpu_us_per_job": used,
            "connections": connections,
            **result,
            **percentiles(waits),
            **paced.by_kind(self._row.kinds, numbers, waits),
        }

    def _neighbour(self, stack: ExitStack) -> Any:
        """Start the foreign load where the row has one; return what waits for its figures."""
        from bench import neighbour

        url = self._plan.neighbour_url
        if self._row.checkpoints:
            stack.enter_context(neighbour.checkpoints(os.environ["DATABASE_URL"]))
        if not self._row.neighbour:
            return None
        running = neighbour.Neighbour(
            url, self._plan.neighbour_rate, self._plan.seconds, self._directory
        )
        stack.callback(running.stop)
        return running.figures

    def _spent(self) -> cpu_time.Seconds:
        """Return the processor time by role, that of the publisher too, which is this process."""
        return self._processes.cpu_seconds() | {cpu_time.PUBLISHER: time.process_time()}

    def _await(self, what: str, *, timeout: float) -> None:
        """Wait until every handler has run and every job is settled."""

        def all_ran() -> bool:
            self._processes.check()
            return self._timestamps.all_ran()

        wait_until(all_ran, what=what, timeout=timeout)
        wait_until(self._side.is_settled, what=f"{what}, settled", timeout=60)


if __name__ == "__main__":
    main(Plan.load(sys.argv[1]), Path(sys.argv[2]))
