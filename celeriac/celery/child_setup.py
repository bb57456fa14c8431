"""What a handler finds around it: the standard library as it is everywhere else.

Celery makes its children daemons, which may have no processes of their own, and puts a logger in
the place of standard output, which no program can write to.
"""

import multiprocessing
import sys
from typing import Any

from celery import signals
from celery.utils.log import LoggingProxy


def install_child_setup() -> None:
    """Have each child set up, and a solo worker itself."""
    for signal in (signals.worker_process_init, signals.worker_ready):
        # Celery tells of a new process in no other way.
        signal.connect(_set_up, weak=False, dispatch_uid="celeriac.surroundings")


def _set_up(**_: object) -> None:
    """Let handlers start processes, and hand their output to programs."""
    process: Any = multiprocessing.current_process()
    process._config["daemon"] = False
    streams: Any = ((sys.stdout, sys.__stdout__), (sys.stderr, sys.__stderr__))
    for proxy, stream in streams:
        if isinstance(proxy, LoggingProxy) and stream is not None:
            vars(proxy)["fileno"] = stream.fileno
