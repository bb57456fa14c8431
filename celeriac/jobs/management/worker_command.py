"""The command of the worker that fits its queues."""

import os
import sys
from collections.abc import Sequence

from celeriac.jobs.enqueueing.queues import check_queue
from celeriac.jobs.slots import common_slots
from celeriac.settings import celery_app

#: What the ledger's workers need not do: it knows better who lives.
_PLAIN = ("--without-gossip", "--without-mingle")


def worker_command(queues: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return the words of `celery worker` for these queues, with its options as they are `given`.

    Raises UnknownQueue, and BadSlots where the queues do not fit into one worker. Where many jobs
    run in a process it is one process, unless `--concurrency` says otherwise.
    """
    names = [check_queue(name) for name in dict.fromkeys(queues)]
    slots = common_slots(names)
    words = [sys.executable, "-m", "celery", "-A", celery_app(), "worker"]
    words += [f"--queues={','.join(names)}", *_PLAIN]
    if not _names(given, "--hostname", "-n"):
        words.append(f"--hostname={names[0]}-{os.getpid()}@%h")  # the worker keeps this number
    if slots.are_many and not _names(given, "--concurrency", "-c"):
        words.append("--concurrency=1")
    return [*words, *given]


def _names(given: Sequence[str], long: str, short: str) -> bool:
    return any(word.split("=")[0] == long or word.startswith(short) for word in given)
