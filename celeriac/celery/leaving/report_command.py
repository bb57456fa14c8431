"""`manage.py celeriac report [PATTERN] [--days N] [--json]`."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from celeriac.celery.adopted.patterns import is_adopted, is_named_in_shadow
from celeriac.celery.leaving.app_tasks import project_tasks
from celeriac.celery.leaving.comparison import Side, compare_tasks
from celeriac.core import clock


def add_report(parser: ArgumentParser) -> None:
    """Take what a comparison takes."""
    parser.add_argument("pattern", nargs="?", default="*", help="names of tasks")
    parser.add_argument("--days", type=float, default=7.0, help="how far back; %(default)g")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run_report(options: Mapping[str, Any], write: Callable[[str], object]) -> int:
    """Write how each task did as messages and as jobs; return the exit code."""
    pattern = options["pattern"]
    named = [
        name
        for name in project_tasks()
        if fnmatchcase(name, pattern) and (is_adopted(name) or is_named_in_shadow(name))
    ]
    if not named:
        print(f"No task of TASKS or SHADOW in CELERIAC fits {pattern!r}.", file=sys.stderr)
        return 0 if pattern == "*" else 2
    found = compare_tasks(named, clock.db_now() - timedelta(days=options["days"]))
    if options["json"]:
        sides = {task: [asdict(side) for side in each] for task, each in found.items()}
        write(json.dumps(sides, indent=2))
        return 0
    for task, each in found.items():
        write(task)
        for side in each:
            write(f"  {_line(side)}")
        if not each:
            write("  nothing ended in this time, or nobody noted it")
    return 0


def _line(side: Side) -> str:
    failed = f"{side.failed} failed ({side.failed / side.ended:.1%})"
    waits = f"wait {_span(side.wait)}, p95 {_span(side.wait_95)}"
    takes = f"run {_span(side.time)}, p95 {_span(side.time_95)}"
    return f"{side.source:<22} {side.ended} ended, {side.runs} runs, {failed}, {waits}, {takes}"


def _span(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:.3f} s"
