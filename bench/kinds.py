"""The kinds of the ledger's rows: the same handler, rung together and alone."""

from bench import marks
from tasks.base import job


@job("bench.touch", queue="bench")
def touch(number: int) -> None:
    """Do nothing but say when."""
    marks.touch(number)


@job("bench.touch_single", queue="bench", batch=1)
def touch_single(number: int) -> None:
    """Do the same, one id per doorbell."""
    marks.touch(number)
