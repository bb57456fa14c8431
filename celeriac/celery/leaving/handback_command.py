"""`manage.py celeriac handback [--task PATTERN] --reason …`, and `--list`."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from celeriac.celery.leaving.app_tasks import adopted_tasks
from celeriac.celery.leaving.handing_back import Handback, hand_back_tasks
from celeriac.core.arguments import add_actor
from celeriac.core.errors import CeleriacError
from celeriac.jobs.models import HandedBack

Write = Callable[[str], object]


def add_handback(parser: ArgumentParser) -> None:
    """Take what a handback takes."""
    parser.add_argument("--task", default="*", metavar="PATTERN", help="such as acme.mail.*")
    parser.add_argument("--reason", default="", help="why, for the audit trail")
    parser.add_argument("--list", action="store_true", help="what may have gone twice, or has not")
    add_actor(parser)


def run_handback(options: Mapping[str, Any], write: Write) -> int:
    """Hand back, or list what is not certain; return the exit code: 1 where something is left."""
    if options["list"]:
        uncertain = HandedBack.objects.filter(tries__len__gt=1) | HandedBack.objects.filter(
            sent_at=None
        )
        _write_rows(uncertain, write)
        return 0
    tasks = adopted_tasks(options["task"])
    if not tasks or not options["reason"].strip():
        named = f"No task of CELERIAC['TASKS'] fits {options['task']!r}." if not tasks else ""
        print(named or "Say why: --reason …", file=sys.stderr)
        return 2
    write(f"To plain Celery: {', '.join(tasks)}")
    try:
        found = hand_back_tasks(
            options["task"], tasks, reason=options["reason"], actor=options["actor"]
        )
    except CeleriacError as error:
        print(error.message, file=sys.stderr)
        return 1
    return _report(found, write)


def _report(found: Handback, write: Write) -> int:
    write(f"{found.sent} jobs were sent as plain messages.")
    if found.twice:
        write(f"{len(found.twice)} of them may have gone twice: an earlier handback was cut short.")
        _write_rows(found.twice, write)
    for row, why in found.refused:
        write(f"not sent: {row.task} {row.task_id}: {why}")
    if found.running:
        write(
            f"{found.running} jobs still run in the ledger. A retry of theirs is queued there: "
            "hand back again once they have ended."
        )
    if found.kept:
        write(f"{found.kept} jobs stay queued: somebody holds them, or is to be called back.")
    return 1 if found.refused or found.kept else 0


def _write_rows(rows: Iterable[HandedBack], write: Write) -> None:
    for row in rows:
        said = f"{len(row.tries)} tries, the first at {row.tries[0]:%Y-%m-%d %H:%M:%S}"
        end = "sent" if row.sent_at else "not known to be sent: hand back again"
        write(f"  {row.task} {row.task_id}: {said}; {end}")
