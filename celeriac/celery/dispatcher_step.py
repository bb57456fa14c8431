"""`celery worker --with-dispatcher`: a dispatcher in a thread of the worker's parent.

A small site needs no third process then. Any number of workers may have one: they share the queues
by leases, among themselves and with `manage.py dispatcher`.
"""

import logging
import threading
from typing import Any

from celery import bootsteps

from celeriac.jobs.dispatching.loop import DispatcherLoop, make_dispatcher

logger = logging.getLogger(__name__)

#: Seconds that a stop waits for the thread, which gives its queues to others.
_PATIENCE = 10.0


class DispatcherStep(bootsteps.StartStopStep):
    """Runs a dispatcher as long as the worker takes messages."""

    # The children are forked before the thread begins, and before its connections are made.
    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, with_dispatcher: bool = False, **options: Any) -> None:
        super().__init__(parent, **options)
        self.enabled = with_dispatcher
        self._loop: DispatcherLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self, parent: Any) -> None:
        """Begin; SystemExit where the broker can't carry doorbells."""
        try:
            self._loop = make_dispatcher()
        except Exception as error:
            raise SystemExit(f"This worker can't be a dispatcher too: {error}") from error
        self._thread = threading.Thread(
            target=self._loop.run,
            kwargs={"ready": lambda: logger.info("dispatcher ready")},
            name="celeriac-dispatcher",
            daemon=True,
        )
        self._thread.start()

    def stop(self, parent: Any) -> None:
        """End, so that another takes the queues over at once."""
        if self._loop is not None and self._thread is not None:
            self._loop.stop()
            self._thread.join(timeout=_PATIENCE)

    terminate = stop
