"""How short jobs wait in a kind with a heavy tail: `python -m bench.tailed DIRECTORY JOBS`.

A burst of JOBS jobs of one kind, each of 2 ms but one in some hundred of seconds, so that the
mean promises doorbells of many and now and then one of them holds its neighbours up. What counts
is when the short ones start, after their commit. The result goes to DIRECTORY/tailed.json.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

from bench.plan import LONG, is_long
from bench.processes import Processes, wait_until
from bench.rows import Row
from bench.timestamps import VARIABLE, Timestamps

ROW = Row("tailed", "ledger", 1.0, "a kind with a heavy tail", ("bench.tailed",))
#: Jobs before the clock runs: the kind is known to be short then.
WARM_UP = 200
PATIENCE = 300.0


def main(directory: Path, jobs: int) -> None:
    """Measure and write the result."""
    timestamps = Timestamps(directory / "timestamps", WARM_UP + jobs)
    os.environ[VARIABLE] = str(timestamps.path)
    django.setup()
    with Processes(ROW, prefetch=1, directory=directory) as processes:
        try:
            result = measure(timestamps, jobs, processes.check)
        except Exception:
            sys.stderr.write(processes.logs())
            raise
    (directory / "tailed.json").write_text(json.dumps(result))


def measure(timestamps: Timestamps, jobs: int, check: Callable[[], None]) -> dict[str, Any]:
    """Return how long the short ones waited."""
    from bench.backends import LedgerBackend

    side = LedgerBackend(ROW)
    side.wait_for_workers(check)
    side.enqueue_many([each + 1 for each in timestamps.reserve(WARM_UP) if not is_long(each + 1)])
    wait_until(side.is_settled, what="the warm-up ends")
    numbers = timestamps.reserve(jobs)
    committed = time.monotonic_ns()
    side.enqueue_many(numbers)
    wait_until(lambda: all(timestamps[each] for each in numbers), what="all ran", timeout=PATIENCE)
    waits = [(timestamps[each] - committed) / 1e9 for each in numbers if not is_long(each)]
    return {
        "jobs": jobs,
        "long": jobs - len(waits),
        "long_seconds": LONG,
        "short_wait_s_p50": round(statistics.median(waits), 3),
        "short_wait_s_p99": round(statistics.quantiles(waits, n=100)[98], 3),
        "short_wait_s_max": round(max(waits), 3),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
