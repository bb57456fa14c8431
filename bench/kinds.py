"""The kinds of the ledger's rows: the same handler, rung together and alone."""

import time

from bench import timestamps
from bench.plan import LONG, SHORT, is_long
from celeriac import job


@job("bench.touch", queue="bench")
def touch(number: int) -> None:
    """Do nothing but say when."""
    timestamps.touch(number)


@job("bench.touch_single", queue="bench", batch=1)
def touch_single(number: int) -> None:
    """Do the same, one id per doorbell."""
    timestamps.touch(number)


@job("bench.tailed", queue="bench", timeout=60)
def tailed(number: int) -> None:
    """Say when, and take little time as a rule."""
    timestamps.touch(number)
    time.sleep(LONG if is_long(number) else SHORT)
