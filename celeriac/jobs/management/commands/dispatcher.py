"""`manage.py dispatcher`: rings for the queues that it holds, until it is stopped."""

import signal
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from celeriac.jobs.dispatching.loop import DispatcherLoop, make_dispatcher
from celeriac.jobs.enqueueing.queues import is_declared
from celeriac.jobs.phrases import count


class Command(BaseCommand):
    """Run the admission control; any number may run, and they share the queues."""

    help = "Rings workers for due jobs, rescues lost ones and expires late ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queues", default="", help="only these, separated by commas")
        parser.add_argument("--once", action="store_true", help="one round, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        queues = [name.strip() for name in options["queues"].split(",") if name.strip()]
        unknown = sorted(name for name in queues if not is_declared(name))
        if unknown:
            raise CommandError(f"CELERIAC['QUEUES'] declares no queue named {', '.join(unknown)}.")
        server = make_dispatcher(queues)
        if options["once"]:
            self.stdout.write(f"rang for {count(server.once(), 'job')}")
            return
        self._stop_on_signals(server)
        server.run(ready=self._say_ready)

    def _say_ready(self) -> None:
        self.stdout.write("dispatcher ready")
        self.stdout.flush()

    def _stop_on_signals(self, server: DispatcherLoop) -> None:
        def stop(number: int, frame: FrameType | None) -> None:
            server.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
