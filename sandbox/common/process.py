"""A stand-in as a process of its own: ready line, then wait for SIGTERM or SIGINT."""

import signal
import threading


def say(line: str) -> None:
    """Print a line at once, so that whoever started us can wait for it."""
    print(line, flush=True)


def wait_for_signal() -> None:
    """Return when SIGTERM or SIGINT arrives."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
