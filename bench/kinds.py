"""The kinds of the ledger's rows."""

import os
import time
from collections.abc import Callable
from typing import Any

from celery import shared_task

from bench import handlers, timestamps
from bench.engine import engine
from bench.plan import LONG, SHORT, is_long
from bench.rows import QUEUE, SLOTS, SLOTS_VARIABLE


def job(kind: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare a kind in whatever checkout this is."""
    decorator: Callable[[Callable[..., Any]], Any] = engine().call("job", kind, **options)
    return decorator


@job("bench.touch", queue=QUEUE)
def touch(number: int) -> None:
    """Do nothing but say when."""
    timestamps.touch(number)


@job("bench.touch_urgent", queue=f"{QUEUE}_urgent")
def touch_urgent(number: int) -> None:
    """Do the same in a queue that goes first."""
    timestamps.touch(number)


@job("bench.touch_idle", queue=f"{QUEUE}_idle")
def touch_idle(number: int) -> None:
    """Do the same in a queue that goes last."""
    timestamps.touch(number)


@shared_task(name="bench.plain", ignore_result=True)
def plain(number: int) -> None:
    """Do the same as a plain Celery task, on a worker of the ledger."""
    timestamps.touch(number)


@job("bench.touch_single", queue=QUEUE, batch=1)
def touch_single(number: int) -> None:
    """Do the same, one id per doorbell."""
    timestamps.touch(number)


@job("bench.realistic", queue=QUEUE)
def realistic(number: int, payload: str) -> None:
    """Work a little, as a usual job does."""
    handlers.realistic(number, payload)


@job("bench.wait", queue=QUEUE)
def wait(number: int) -> None:
    """Wait, as a job does that calls somebody."""
    handlers.wait(number)


if _slots := os.environ.get(SLOTS_VARIABLE):
    _pool = _slots.partition(":")[0]
    _handler = handlers.await_answer if _pool == "async" else handlers.wait
    job(f"bench.wait_{_pool}", queue=SLOTS[_pool])(_handler)


@job("bench.tailed", queue=QUEUE, timeout=60)
def tailed(number: int) -> None:
    """Say when, and take little time as a rule."""
    timestamps.touch(number)
    time.sleep(LONG if is_long(number) else SHORT)
