"""The only door to schedules for other apps."""

from apps.schedules.declare import Schedule
from apps.schedules.errors import InvalidSchedule, ScheduleError, ScheduleNotFound
from apps.schedules.operate import backfill, pause, resume, run_now
from apps.schedules.selectors import (
    Standing,
    by_name,
    faults,
    lag_seconds,
    living_beats,
    next_fires,
    standings,
    ticks_of,
    upcoming,
)
from apps.schedules.sync import sync

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
    "living_beats",
    "next_fires",
    "pause",
    "resume",
    "run_now",
    "standings",
    "sync",
    "ticks_of",
    "upcoming",
]
