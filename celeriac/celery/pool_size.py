"""Celery's `control pool_shrink`, answered by a worker of the ledger: idle children end.

Celery's own refuses while each child is in a task, which a child on the open line is to it. And the
SIGTERM that it sends ends none of ours, whose jobs outlive the signals of their group: here a child
is told through its queue, as at the end of its worker.
"""

import logging
import time
from typing import Any

from celery.worker.control import Panel

logger = logging.getLogger(__name__)

_celerys = Panel.data["pool_shrink"]
#: Seconds for which children are called off the open line, and between two looks.
_PATIENCE, _LOOK_EVERY = 1.0, 0.02


def install_pool_size() -> None:
    """Take the verb over in this process."""
    Panel.data["pool_shrink"] = pool_shrink


def pool_shrink(state: Any, n: Any = 1, **options: object) -> Any:
    """Shrink the pool by `n` children: idle ones now, those that wait within a second."""
    consumer = state.consumer
    if consumer.controller.autoscaler or getattr(consumer, "call_off", None) is None:
        return _celerys(state, n=n, **options)
    wanted = min(int(n), consumer.pool.num_processes - 1)
    if wanted < 1:
        return {"error": "A pool has one child at least."}
    _shrink(consumer, wanted, time.monotonic() + _PATIENCE)
    return {"ok": "pool will shrink"}


def _shrink(consumer: Any, left: int, deadline: float) -> None:
    """End idle children, and come again until `left` are."""
    pool = consumer.pool._pool
    idle = [child for child in pool._iterinactive() if not child._controlled_termination]
    for child in idle[:left]:
        _end(pool, child)
        consumer._update_prefetch_count(-1)
    left -= min(left, len(idle))
    if left and time.monotonic() < deadline:
        consumer.call_children(left)
        consumer.hub.call_later(_LOOK_EVERY, _shrink, consumer, left, deadline)
        return
    consumer.call_children()
    if left:
        logger.warning("the pool was not shrunk by another %d: its children are at work", left)


def _end(pool: Any, child: Any) -> None:
    """Give an idle child nothing more, and have it end: its exit code is no error then."""
    pool._processes -= 1
    pool._putlock.shrink()
    pool._all_inqueues.discard(child.inqW_fd)
    child._controlled_termination = True
    child.inq.put(None)
