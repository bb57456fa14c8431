"""What runs while everything goes wrong. Each handler returns its attempt: whoever settles says."""

import os
import time
from pathlib import Path

from celeriac import Backoff, current_job, job
from tests.app.models import Effect

SOON = Backoff(max_attempts=8, base=0.1, cap=1.0)
ONCE = Backoff(max_attempts=1)


def attempt():
    """Return the number of this run."""
    return current_job().attempt


@job("chaos.plain", retry=SOON)
def plain() -> int:
    """Use no database."""
    time.sleep(0.01)
    return attempt()


@job("chaos.writes", retry=ONCE, max_losses=1)
def writes() -> int:
    """Write a row of its own transaction."""
    Effect.objects.create(name=f"again:{current_job().id}")
    return attempt()


@job("chaos.once", retry=ONCE, transactional=True)
def once() -> int:
    """Write a row in the transaction that completes the job."""
    Effect.objects.create(name=f"once:{current_job().id}")
    time.sleep(0.01)
    return attempt()


@job("chaos.long", retry=ONCE, timeout=60)
def long() -> int:
    """Sleep, then write: the database may be away by then."""
    time.sleep(2)
    Effect.objects.create(name=f"again:{current_job().id}")
    return attempt()


@job("chaos.asks", retry=ONCE, timeout=60)
def asks() -> int:
    """Ask and tell all the while."""
    for step in range(10):
        current_job().progress(step, 10)
        current_job().should_stop()
        time.sleep(0.1)
    return attempt()


@job("chaos.locked", retry=SOON, lock="chaos:{key}")
def locked(key: int) -> int:
    """Note when it held its lock, in a file: the database is not there to ask."""
    with (Path(os.environ["CHAOS_DIRECTORY"]) / f"locks-{os.getpid()}").open("a", 1) as notes:
        start = time.monotonic()
        time.sleep(0.05)
        notes.write(f"{key} {start} {time.monotonic()}\n")
    return attempt()
