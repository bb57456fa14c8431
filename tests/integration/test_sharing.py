"""What a worker's children share with their parent."""

import gc
import os
from pathlib import Path

from celery import signals

from celeriac.celery import sharing


def copied_by_a_collection():
    """Return how many megabytes a fork gets copies of when it collects its garbage."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            before = private()
            gc.collect()
            os.write(writing, str(private() - before).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    copied = int(os.read(reading, 64))
    os.close(reading)
    os.close(writing)
    return copied


def private():
    """Return the megabytes that this process shares with nobody."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) // 1024


def test_a_childs_collections_copy_nothing_of_its_parent():
    """Of ten megabytes of objects and more, which a collection would write into."""
    objects = [[] for _ in range(200_000)]
    sharing.install_sharing()
    try:
        assert copied_by_a_collection() > 10
        signals.worker_before_create_process.send(sender=None)
        assert copied_by_a_collection() < 5
    finally:
        gc.unfreeze()
        signals.worker_before_create_process.disconnect(dispatch_uid="celeriac.sharing")
    assert objects
