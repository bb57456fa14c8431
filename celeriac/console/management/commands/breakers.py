"""`manage.py breakers list|force|clear`."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from celeriac.breakers import selectors, services
from celeriac.console.management.output import as_json
from celeriac.core import clock
from celeriac.core.arguments import add_actor, seconds_argument

FORCES = {"open": services.force_open, "closed": services.force_closed}


class Command(BaseCommand):
    """List circuits, force them open or closed, clear them."""

    help = "List circuits, force them open or closed, clear them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="every breaker and where it stands")
        force = verbs.add_parser("force", help="hold a circuit open or closed")
        force.add_argument("name")
        force.add_argument("state", choices=sorted(FORCES))
        force.add_argument("--reason", required=True)
        force.add_argument(
            "--for", dest="seconds", type=seconds_argument, help="seconds; without: no end"
        )
        clear = verbs.add_parser("clear", help="end a force and a cooldown")
        clear.add_argument("name")
        clear.add_argument("--reason", default="")
        for verb in (force, clear):
            add_actor(verb)
        for verb in (listing, force, clear):
            verb.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the verb, then print what it concerns."""
        names = None
        if options["verb"] == "force":
            names = [options["name"]]
            until = clock.moment_ahead(options["seconds"])
            FORCES[options["state"]](
                options["name"], actor=options["actor"], reason=options["reason"], until=until
            )
        elif options["verb"] == "clear":
            names = [options["name"]]
            services.clear(options["name"], actor=options["actor"], reason=options["reason"])
        found = selectors.breaker_statuses(names)
        if options["json"]:
            self.stdout.write(as_json([asdict(each) for each in found]))
        else:
            for each in found:
                self.stdout.write(_line(each))


def _line(each: selectors.BreakerStatus) -> str:
    parts = [f"{each.name:<24} {each.state:<14}"]
    if each.since:
        parts.append(f"since {each.since:%Y-%m-%d %H:%M:%S}")
    if each.until:
        parts.append(f"until {each.until:%Y-%m-%d %H:%M:%S}")
    parts.append(f"{each.failures}/{each.calls} failed, {each.slow} slow")
    if each.forced_reason:
        parts.append(f"by {each.forced_by or 'somebody'}: {each.forced_reason}")
    elif each.last_error and each.state != "closed":
        parts.append(each.last_error)
    return "  ".join(parts)
