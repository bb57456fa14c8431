"""Celery's `control pool_shrink`, where children are on the open line: Celery takes them for busy.

They are called off, and the pool shrinks as they come back.
"""

import logging
import time
from typing import Any

from celery.worker.control import Panel

logger = logging.getLogger(__name__)

#: Seconds that children have to come back, and between two looks.
PATIENCE, AGAIN = 5.0, 0.1


def install_pool_size() -> None:
    """Take the verb over in this process."""
    plain = Panel.data["pool_shrink"]

    def shrink(state: Any, n: int = 1, **options: Any) -> Any:
        if getattr(state.consumer, "call_off", None) is None or _scales_itself(state.consumer):
            return plain(state, n, **options)
        return pool_shrink(state, n)

    Panel.data["pool_shrink"] = shrink


def pool_shrink(state: Any, n: int = 1) -> Any:
    """Shrink the pool by `n` children, at once or as they come back from the open line."""
    left = _shrink(state.consumer, n, time.monotonic() + PATIENCE)
    later = f", by {left} of {n} once children come back" if left else ""
    return {"ok": f"pool will shrink{later}"}


def _shrink(consumer: Any, left: int, until: float) -> int:
    """Shrink by as many as are free; call the others off, and look again. Return how many."""
    while left > 0:
        try:
            consumer.pool.shrink(1)
        except ValueError:  # Celery's word for: each child is in a task
            break
        consumer._update_prefetch_count(-1)
        left -= 1
    if left > 0 and time.monotonic() > until:
        logger.warning("the pool could not shrink by %d more: its children are busy", left)
    elif left > 0:
        consumer.call_children(left)
        consumer.timer.call_after(AGAIN, _shrink, (consumer, left, until))
    return left


def _scales_itself(consumer: Any) -> bool:
    return consumer.controller.autoscaler is not None
