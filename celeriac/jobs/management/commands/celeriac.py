"""`manage.py celeriac …`: the verbs of the library that concern no job.

`worker` starts the worker that fits its queues; `stubs` writes what type checkers need for kinds
that are given as text.
"""

import os
import sys
from argparse import REMAINDER, ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from celeriac.core.commands import added_verbs
from celeriac.jobs import registry
from celeriac.jobs.errors import JobError
from celeriac.jobs.management.worker_command import worker_command
from celeriac.jobs.stubs import stubs_text


class Command(BaseCommand):
    """Start a worker, or write a module whose `enqueue` has an overload for each declared kind."""

    help = "Starts the worker that fits its queues; writes what type checkers need."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the verb, and what it needs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        worker = verbs.add_parser("worker", help="start the worker that fits these queues")
        worker.add_argument("queues", nargs="+", metavar="QUEUE")
        worker.add_argument("options", nargs=REMAINDER, help="options of `celery worker`")
        stubs = verbs.add_parser("stubs", help="write enqueue() with an overload for each kind")
        stubs.add_argument("file", nargs="?", type=Path, help="such as shop/kinds.py; else printed")
        stubs.add_argument("--check", action="store_true", help="fail where the file is not so")
        for verb in added_verbs().values():
            verb.add_arguments(verbs.add_parser(verb.name, help=verb.help))

    def handle(self, *args: Any, **options: Any) -> None:
        """Run what an app added; become the worker; or write the stubs, print or compare them."""
        if (verb := added_verbs().get(options["verb"])) is not None:
            code = verb.run(options, self.stdout.write)
            if code:
                sys.exit(code)
        elif options["verb"] == "worker":
            self._become_worker(options["queues"], options["options"])
        else:
            self._write_stubs(options)

    def _become_worker(self, queues: list[str], given: list[str]) -> None:
        try:
            command = worker_command(queues, given)
        except JobError as error:
            raise CommandError(str(error)) from None
        self.stdout.flush()
        os.execv(command[0], command)  # noqa: S606 the words are ours, and the caller's own

    def _write_stubs(self, options: dict[str, Any]) -> None:
        text = stubs_text(registry.declared_kinds())
        file: Path | None = options["file"]
        if file is None:
            self.stdout.write(text, ending="")
        elif not options["check"]:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            raise CommandError(f"{file} is not what the kinds say: run manage.py celeriac stubs.")
