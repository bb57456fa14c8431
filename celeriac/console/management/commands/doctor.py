"""`manage.py doctor`: what is wrong, and what to do about it."""

import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from celeriac.console.doctor.examine import is_healthy, run_checks
from celeriac.console.management.output import as_json
from celeriac.core.check_results import CheckResult, Level


class Command(BaseCommand):
    """Look at every part of the platform; exit 1 where something does not work."""

    help = "Looks at database, broker, clocks, heartbeats, migrations and settings."
    requires_system_checks = []  # they are among what is looked at

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was found; people see each finding as it comes."""
        found: list[CheckResult] = []
        for finding in run_checks():
            found.append(finding)
            if not options["json"]:
                self._print(finding)
        healthy = is_healthy(found)
        if options["json"]:
            rows = [asdict(finding) for finding in found]
            self.stdout.write(as_json({"healthy": healthy, "findings": rows}))
        else:
            self._sum_up(found)
        if not healthy:
            sys.exit(1)

    def _print(self, finding: CheckResult) -> None:
        style = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.ERROR: self.style.ERROR,
        }[finding.level]
        self.stdout.write(f"{style(f'{finding.level:<8}')}{finding.part:<13}{finding.says}")
        if finding.todo:
            self.stdout.write(f"{'':<21}→ {finding.todo}")

    def _sum_up(self, found: list[CheckResult]) -> None:
        counts = [
            f"{count} {level}{'s' * (count != 1)}"
            for level in (Level.ERROR, Level.WARNING)
            if (count := sum(finding.level is level for finding in found))
        ]
        self.stdout.write(f"\n{' and '.join(counts) or 'All is well'}.")
