"""The only door to schedules for other apps."""

from celeriac.schedules.declare import Schedule
from celeriac.schedules.errors import InvalidSchedule, ScheduleError, ScheduleNotFound
from celeriac.schedules.operate import backfill, pause, resume, run_now
from celeriac.schedules.selectors import (
    Standing,
    by_name,
    faults,
    lag_seconds,
    next_fires,
    standings,
    ticks_of,
    upcoming,
)
from celeriac.schedules.sync import sync

__all__ = [
    "InvalidSchedule",
    "Schedule",
    "ScheduleError",
    "ScheduleNotFound",
    "Standing",
    "backfill",
    "by_name",
    "faults",
    "lag_seconds",
    "next_fires",
    "pause",
    "resume",
    "run_now",
    "standings",
    "sync",
    "ticks_of",
    "upcoming",
]
