"""Rows for the roll-ups' tests."""

from datetime import timedelta

from celeriac.core import clock
from tests.factories import AttemptFactory, JobFactory


def minute(ago):
    """Return the start of the minute so many minutes before the running one."""
    return clock.db_now().replace(second=0, microsecond=0) - timedelta(minutes=ago)


def ended(at, *, state="succeeded", wait=0.5, run=2.0, attempts=1, **fields):
    """Write a job that ended at a moment, after so many seconds of waiting and running."""
    started = at - timedelta(seconds=run)
    return JobFactory(
        state=state,
        attempt=attempts,
        run_at=started - timedelta(seconds=wait),
        started_at=started,
        finished_at=at,
        **fields,
    )


def failed(job, at, *, outcome="failed", run=2.0, number=1, error_class="ValueError"):
    """Write a failed run that ended at a moment."""
    return AttemptFactory(
        job=job,
        number=number,
        outcome=outcome,
        started_at=at - timedelta(seconds=run),
        finished_at=at,
        error_class=error_class,
    )
