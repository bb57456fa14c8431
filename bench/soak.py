"""Ten minutes under load: `python -m bench.soak [--seconds N] [--rate N] [--held]`.

Jobs come at a fixed rate in small batches; before and after it a backlog is drained, and meanwhile
every process's memory is read. `--held` holds a transaction open all the while, as a forgotten
session or a long backup does. Figures go to bench/results/soak.json, or soak_held.json.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import linear_regression
from typing import TYPE_CHECKING, Any

from bench import percentiles
from bench.processes import Processes, wait_until
from bench.rows import BY_NAME
from bench.timestamps import VARIABLE, Timestamps

if TYPE_CHECKING:
    from bench.backends import Backend

ROOT = Path(__file__).resolve().parent.parent
ROW = BY_NAME["celeriac"]
#: Seconds between batches, and between readings of memory.
BATCH_EVERY, READ_EVERY = 0.1, 5.0
WARM_UP = 2_000


def main(arguments: Sequence[str]) -> int:
    """Open the servers, run the soak in a process of its own, print, write."""
    options = _options(arguments)
    from bench import machine
    from bench.checkouts import Subject
    from bench.environment import open_environment, stage_directory
    from bench.report import write

    subject = Subject(ROW)
    with open_environment([subject]) as environment:
        environment.clear(subject)
        directory = stage_directory(environment)
        env = os.environ | environment.environment_of(subject)
        command = [sys.executable, "-m", "bench.soak", *arguments, f"--directory={directory}"]
        subprocess.run(command, cwd=ROOT, env=env, check=True)
        found = json.loads((directory / "soak.json").read_text())
        found["machine"] = machine.describe(environment)
    name = "soak_held.json" if options.held else "soak.json"
    output = options.output or ROOT / "bench" / "results" / name
    write(output, found)
    slopes = ", ".join(f"{name} {each:+.1f}" for name, each in found["memory_mb_per_hour"].items())
    sys.stdout.write(
        f"drained {found['drain_per_s_start']:,.0f}/s before, {found['drain_per_s_end']:,.0f}/s "
        f"after {found['seconds']:.0f} s at {found['rate']:,.0f}/s: {found['ratio']:.2f}; "
        f"latency p50 {found['latency_ms_p50']:.1f} ms, p99 {found['latency_ms_p99']:.1f}; "
        f"memory in MB an hour: {slopes}\nwritten: {output}\n"
    )
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=2_000.0, help="jobs a second")
    parser.add_argument("--backlog", type=int, default=50_000, help="drained before and after")
    parser.add_argument("--held", action="store_true", help="hold a transaction open meanwhile")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def soak(options: argparse.Namespace) -> None:
    """Measure and write the result, in the environment of a stage."""
    import django

    total = WARM_UP + 2 * options.backlog + round(options.rate * (options.seconds + 5))
    timestamps = Timestamps(options.directory / "timestamps", total)
    os.environ[VARIABLE] = str(timestamps.path)
    django.setup()
    from bench.backends import backend_of

    with Processes(ROW, prefetch=1, directory=options.directory) as processes:
        try:
            found = Soak(options, backend_of(ROW), processes, timestamps).measure()
        except Exception:
            sys.stderr.write(processes.logs())
            raise
    (options.directory / "soak.json").write_text(json.dumps(found))


class Soak:
    """A drain, a long load, a drain."""

    def __init__(
        self,
        options: argparse.Namespace,
        side: "Backend",
        processes: Processes,
        timestamps: Timestamps,
    ) -> None:
        """Measure nothing yet."""
        self._options, self._side = options, side
        self._processes, self._timestamps = processes, timestamps
        self._memory: dict[str, list[tuple[float, float]]] = {}

    def measure(self) -> dict[str, Any]:
        """Return what the backlog took before and after, latencies and slopes of memory."""
        self._side.wait_for_workers(self._processes.check)
        self._side.enqueue_many(self._timestamps.reserve(WARM_UP))
        self._await()
        start = self._drain()
        with _held_transaction() if self._options.held else nullcontext():
            waits = self._load()
            end = self._drain()
        return {
            "rate": self._options.rate,
            "seconds": self._options.seconds,
            "held_transaction": self._options.held,
            "drain_per_s_start": start,
            "drain_per_s_end": end,
            "ratio": end / start,
            "memory_mb_per_hour": {name: _slope(each) for name, each in self._memory.items()},
            "memory_mb": {name: each[-1][1] for name, each in self._memory.items()},
            **percentiles.percentiles(waits),
        }

    def _drain(self) -> float:
        """Return the rate at which a backlog is drained."""
        self._side.hold()
        self._side.enqueue_many(self._timestamps.reserve(self._options.backlog))
        time.sleep(1.0)
        started = time.monotonic()
        self._side.release()
        self._await()
        return float(self._options.backlog / (time.monotonic() - started))

    def _load(self) -> list[float]:
        """Enqueue at the rate; return how long a job of each batch waited, in milliseconds."""
        began, due, read_at = time.monotonic(), time.monotonic(), 0.0
        count = max(1, round(self._options.rate * BATCH_EVERY))
        firsts: list[tuple[int, int]] = []
        while (now := time.monotonic()) < began + self._options.seconds:
            if now >= read_at:
                self._read_memory(now - began)
                read_at = now + READ_EVERY
            due += BATCH_EVERY
            time.sleep(max(0.0, due - time.monotonic()))
            numbers = self._timestamps.reserve(count)
            self._side.enqueue_many(numbers)
            firsts.append((numbers[0], time.monotonic_ns()))
        self._await()
        return [(self._timestamps[number] - at) / 1e6 for number, at in firsts]

    def _read_memory(self, at: float) -> None:
        for role, members in self._processes.members().items():
            for number, process in enumerate(members):
                full = process.memory_full_info()
                self._memory.setdefault(f"{role} {number}", []).append((at, full.uss / 1e6))

    def _await(self) -> None:
        def ran() -> bool:
            self._processes.check()
            return self._timestamps.all_ran()

        wait_until(ran, what="the jobs have run", timeout=300)
        wait_until(self._side.is_settled, what="the jobs are settled", timeout=120)


@contextmanager
def _held_transaction() -> Iterator[None]:
    """Hold a snapshot open on another connection."""
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1")
        yield


def _slope(readings: Sequence[tuple[float, float]]) -> float:
    """Return how much memory grows in an hour, over the second half of the readings."""
    later = readings[len(readings) // 2 :]
    if len(later) < 2:
        return 0.0
    slope, _ = linear_regression([at for at, _ in later], [size for _, size in later])
    return round(3600 * slope, 1)


if __name__ == "__main__":
    if any(each.startswith("--directory") for each in sys.argv[1:]):
        soak(_options(sys.argv[1:]))
    else:
        sys.exit(main(sys.argv[1:]))
