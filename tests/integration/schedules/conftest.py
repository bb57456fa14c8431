"""What the tests of schedules share."""

from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from celeriac.core import clock
from celeriac.jobs.models import Job
from celeriac.schedules.fire import fire_due
from celeriac.schedules.models import Tick
from celeriac.schedules.refresh import refresh_schedules


@contextmanager
def standing_at(moment):
    """Let the database's clock begin at `moment`."""
    with clock.offset_clock(moment - datetime.now(UTC)):
        yield


@pytest.fixture
def at():
    """Return a context manager that sets the database's clock, given ISO text in UTC."""

    def moment(text):
        parsed = datetime.fromisoformat(text)
        return standing_at(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))

    return moment


@pytest.fixture
def look():
    """Return a function that does what a beat does in one turn, until nothing is due."""

    def turn():
        refresh_schedules()
        while fire_due().schedules:
            pass

    return turn


def ticks(task, status=None):
    """Return a task's ticks as `HH:MM` or `HH:MM:SS`, oldest first."""
    found = Tick.objects.filter(periodic_task=task).order_by("scheduled_for")
    if status:
        found = found.filter(status=status)
    return [f"{tick.scheduled_for:%d %H:%M:%S}".removesuffix(":00") for tick in found]


def jobs(task):
    """Return the jobs of a task's ticks."""
    return Job.objects.filter(
        tick__in=Tick.objects.filter(periodic_task=task).values("pk")
    ).order_by("run_at")
