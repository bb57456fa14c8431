"""`manage.py celeriac shadow report [--task PATTERN] [--days N] [--json]`."""

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from celeriac.celery.leaving.app_tasks import project_apps
from celeriac.celery.shadow.findings import (
    DOUBLED,
    EARLY,
    LOST,
    UNDONE,
    UNKNOWN,
    WAITING,
    Observation,
    TaskShadow,
    read_shadow,
)
from celeriac.celery.shadow.waiting import waiting_ids
from celeriac.core import clock
from celeriac.core.arguments import seconds_argument
from celeriac.jobs.models import ShadowGap
from celeriac.settings import conf

Write = Callable[[str], object]

_WORDS = {
    LOST: "never started, and no broker holds them: as jobs they would have run",
    DOUBLED: "started more than once: as jobs once, or as often as their delivery says",
    EARLY: "started before their caller's commit: as jobs after it",
    UNDONE: "were called in a transaction that rolled back: as jobs they would not exist",
    WAITING: "wait for their time or a worker",
    UNKNOWN: "unknown",
}


def add_shadow(parser: ArgumentParser) -> None:
    """Take what a report takes."""
    parser.add_argument("what", choices=["report"])
    parser.add_argument("--task", default="*", metavar="PATTERN")
    parser.add_argument("--days", type=float, default=1.0, help="how far back; %(default)g")
    parser.add_argument(
        "--settled",
        type=seconds_argument,
        default=30.0,
        help="seconds after which a call that nobody started is missed; %(default)g",
    )
    parser.add_argument("--ids", action="store_true", help="name each message")
    parser.add_argument("--json", action="store_true", help="write JSON, each message named")


def run_shadow(options: Mapping[str, Any], write: Write) -> int:
    """Write what the shadow saw; return the exit code."""
    if not conf.SHADOW:
        print("CELERIAC['SHADOW'] names no task: nothing is noted.", file=sys.stderr)
        return 2
    since = clock.db_now() - timedelta(days=options["days"])
    found = read_shadow(
        since,
        waiting=lambda: waiting_ids(project_apps()),
        chosen=lambda name: fnmatchcase(name, options["task"]),
        settled=options["settled"],
    )
    gaps: list[Any] = list(ShadowGap.objects.filter(at__gte=since).order_by("at").values())
    if options["json"]:
        tasks = [asdict(each) for each in found]
        write(json.dumps({"since": since, "tasks": tasks, "gaps": gaps}, default=str, indent=2))
        return 0
    for line in _lines(found, since, gaps, with_ids=options["ids"]):
        write(line)
    return 0


def _lines(
    found: list[TaskShadow], since: datetime, gaps: list[dict[str, Any]], *, with_ids: bool
) -> Iterator[str]:
    yield f"Plain tasks since {since:%Y-%m-%d %H:%M} ({', '.join(conf.SHADOW)})"
    for each in found:
        largest = "-" if each.largest is None else f"{each.largest:,} bytes"
        counts = f"{each.calls} calls, {each.starts} starts"
        yield f"\n{each.task}: {counts}, largest arguments {largest}"
        for what in _WORDS:
            yield from _of_one(what, [one for one in each.findings if one.what == what], with_ids)
        if not each.findings:
            yield "  nothing to be said"
    if not found:
        yield "No call and no start was noted."
    yield "\nUnknown besides:"
    for gap in gaps:
        where = f"{gap['host']}/{gap['pid']} until {gap['at']:%H:%M:%S}"
        yield f"  {gap['notes']} notes of {where}: {gap['why']}"
    yield "  calls in hooks of on_commit() that never ran, since their process had died"
    yield "  calls by processes without CELERIAC['SHADOW']"


def _of_one(what: str, found: list[Observation], with_ids: bool) -> Iterator[str]:
    if not found:
        return
    yield f"  {len(found)} {_WORDS[what]}"
    for (site, why), count in Counter((one.site, one.why) for one in found).most_common():
        yield f"    {count} by {site or 'an unknown caller'}" + (f": {why}" if why else "")
    if with_ids:
        for one in found:
            again = f", retry {one.retries}" if one.retries else ""
            yield f"      {one.task_id}{again} at {one.at:%Y-%m-%d %H:%M:%S}"
