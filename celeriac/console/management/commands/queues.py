"""`manage.py queues list|pause|resume`."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from celeriac.console.management.output import as_json, as_table
from celeriac.core import clock
from celeriac.core.arguments import add_actor, seconds_argument
from celeriac.jobs.operating import operate_queues, selectors
from celeriac.jobs.phrases import waits

_COLUMNS = [
    "queue",
    "queued",
    "scheduled",
    "retrying",
    "parked",
    "running",
    "oldest_seconds",
    "paused",
    "paused_by",
    "paused_until",
    "pause_reason",
]


class Command(BaseCommand):
    """List queues, pause them, resume them."""

    help = "List queues, pause them, resume them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="every queue: what it holds, and its pause")
        pause = verbs.add_parser("pause", help="let nothing of a queue start")
        pause.add_argument("name")
        pause.add_argument("--reason", required=True)
        pause.add_argument(
            "--for", dest="seconds", type=seconds_argument, help="seconds; without: no end"
        )
        resume = verbs.add_parser("resume", help="let it start again")
        resume.add_argument("name")
        resume.add_argument("--reason", default="")
        for verb in (pause, resume):
            add_actor(verb)
        for verb in (listing, pause, resume):
            verb.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the verb, then print what it concerns."""
        name: str = options.get("name") or ""
        if options["verb"] == "pause":
            said = {"reason": options["reason"], "actor": options["actor"]}
            until = clock.moment_ahead(options["seconds"])
            operate_queues.pause_queue(name, **said, until=until)
        elif options["verb"] == "resume":
            operate_queues.resume_queue(name, reason=options["reason"], actor=options["actor"])
        depths = [depth for depth in selectors.queue_depths() if name in ("", depth.queue)]
        rows = [asdict(depth) for depth in depths]
        self.stdout.write(as_json(rows) if options["json"] else as_table(rows, _COLUMNS))
        if not options["json"]:
            for depth in depths:
                for kept in depth.circuits:
                    self.stdout.write(f"{depth.queue}: {kept.sentence} ({waits(kept.jobs)})")
