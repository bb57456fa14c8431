"""A stand-in as a process of its own: ready lines, then wait for SIGTERM or SIGINT."""

import signal
import threading


def wait_for_signal(*ready: str) -> None:
    """Print lines by which whoever started us knows us ready; return at SIGTERM or SIGINT.

    A signal that comes as soon as the lines are read ends the process in good order, too.
    """
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    print(*ready, sep="\n", flush=True)
    stopped.wait()
