"""When a plain task starts whose worker's children are on the open line, and when without the line.

`python -m bench.plain_beside DIRECTORY TASKS`: two workers of two children, one with the line and
one without, in turns of a few tasks. Before each task both children have run a job, so that with
the line they wait there. The result goes to DIRECTORY/plain_beside.json.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import django

from bench.percentiles import percentiles
from bench.processes import Processes, wait_until
from bench.rows import CHILDREN, OPEN_LINE_VARIABLE, QUEUES, Row
from bench.timestamps import VARIABLE, Timestamps

#: The same worker twice, each with a queue of its own.
WITH = Row(
    "line", "ledger", 0.0, "children on the line", ("bench.touch_urgent",), queues=QUEUES[:1]
)
WITHOUT = replace(
    WITH, name="without", says="no line", kinds=("bench.touch_idle",), queues=QUEUES[2:]
)
#: Tasks of one turn, tasks before the clock runs, and seconds that pass before each task.
TURN, WARM_UP, GAP = 10, 20, 0.03
#: Jobs that bring a child onto the line, at most, for each task.
MOST_JOBS = 400


def main(directory: Path, tasks: int) -> None:
    """Measure and write the result."""
    room = 2 * (tasks + WARM_UP + TURN) * MOST_JOBS
    timestamps = Timestamps(directory / "timestamps", room)
    os.environ[VARIABLE] = str(timestamps.path)
    django.setup()
    with ExitStack() as stack:
        started = [
            stack.enter_context(_processes(row, directory, on))
            for row, on in ((WITH, True), (WITHOUT, False))
        ]
        try:
            sides = [_Side(row, timestamps) for row in (WITH, WITHOUT)]
            result = measure(sides, tasks, started)
        except Exception:
            sys.stderr.write("\n".join(each.logs() for each in started))
            raise
    (directory / "plain_beside.json").write_text(json.dumps(result))


def measure(sides: "list[_Side]", tasks: int, started: Sequence[Processes]) -> dict[str, Any]:
    """Return how late the tasks start on either side, in milliseconds after they were sent."""

    def check() -> None:
        for each in started:
            each.check()

    late: dict[str, list[float]] = {side.row.name: [] for side in sides}
    for side in sides:
        side.wait_for_workers(check)
        for _ in range(WARM_UP):
            side.task_ms()
    while len(late["line"]) < tasks:
        check()
        for side in sides:
            late[side.row.name] += [side.task_ms() for _ in range(TURN)]
    found: dict[str, Any] = {"tasks": len(late["line"])}
    for name, waits in late.items():
        tenths = {"ms_p90": round(statistics.quantiles(waits, n=10)[8], 2)}
        found |= {f"{name}_{key}": value for key, value in (percentiles(waits) | tenths).items()}
    return found


class _Side:
    """One worker, its queue, and the plain tasks that are sent to it."""

    def __init__(self, row: Row, timestamps: Timestamps) -> None:
        from bench.backends import LedgerBackend
        from celeriac.jobs import nudge
        from celeriac.jobs.open_line import PREFIX
        from celeriac.settings import conf
        from config.celery import app

        self.row = row
        self._backend = LedgerBackend(row)
        self._timestamps, self._app = timestamps, app
        self._broker: Any = nudge.nudge_client(conf.NUDGE_URL, timeout=5.0)
        self._places = f"{PREFIX}place:*"

    def wait_for_workers(self, check: Callable[[], None]) -> None:
        """Wait until the worker takes work; `check` raises where a process has ended."""
        self._backend.wait_for_workers(check)

    def task_ms(self) -> float:
        """Have the children run a job each, send a task, and return when it started."""
        for _ in range(MOST_JOBS // CHILDREN):
            self._backend.enqueue_many(self._timestamps.reserve(CHILDREN))
            wait_until(self._backend.is_settled, what="the jobs have run")
            if self._are_there():
                break
        time.sleep(GAP)
        (number,) = self._timestamps.reserve(1)
        sent = time.monotonic_ns()
        self._app.send_task("bench.plain", [number], queue=self.row.queues[0])
        wait_until(lambda: self._timestamps[number], what="the task has started", every=0.0005)
        return (self._timestamps[number] - sent) / 1e6

    def _are_there(self) -> bool:
        """Return whether every child waits on the line; without one they are ready at once."""
        if self.row.name != "line":
            return True
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            if len(self._broker.keys(self._places)) == CHILDREN:
                return True
            time.sleep(0.005)
        return False


def _processes(row: Row, directory: Path, on: bool) -> Processes:
    """Return a worker's processes; the dispatcher comes with the first."""
    own = directory / row.name
    own.mkdir()
    env = {OPEN_LINE_VARIABLE: str(on)}
    return Processes(row, prefetch=1, directory=own, env=env, dispatches=on)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
