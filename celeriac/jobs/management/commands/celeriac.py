"""`manage.py celeriac stubs`: what type checkers need for kinds that are given as text."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from celeriac.jobs import registry
from celeriac.jobs.stubs import stubs_text


class Command(BaseCommand):
    """Write a module whose `enqueue` has an overload for each declared kind."""

    help = "Writes a module in which enqueue() knows the arguments of each kind."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the verb, and where the module goes."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        stubs = verbs.add_parser("stubs", help="write enqueue() with an overload for each kind")
        stubs.add_argument("file", nargs="?", type=Path, help="such as shop/kinds.py; else printed")
        stubs.add_argument("--check", action="store_true", help="fail where the file is not so")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the module, print it, or compare it."""
        text = stubs_text(registry.declared_kinds())
        file: Path | None = options["file"]
        if file is None:
            self.stdout.write(text, ending="")
        elif not options["check"]:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            raise CommandError(f"{file} is not what the kinds say: run manage.py celeriac stubs.")
