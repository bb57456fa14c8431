"""The entry point to schedules for other apps."""

from celeriac.schedules.declare import Schedule
from celeriac.schedules.errors import InvalidSchedule, ScheduleError, ScheduleNotFound
from celeriac.schedules.operate import (
    backfill_schedule,
    pause_schedule,
    resume_schedule,
    run_schedule_now,
)
from celeriac.schedules.selectors import (
    ScheduleStatus,
    lag_seconds,
    next_fires,
    schedule_faults,
    schedule_statuses,
    task_by_name,
    ticks_of,
    upcoming_fires,
)
from celeriac.schedules.sync import sync_schedules

__all__ = [
    "InvalidSchedule",
    "Schedule",
    "ScheduleError",
    "ScheduleNotFound",
    "ScheduleStatus",
    "backfill_schedule",
    "lag_seconds",
    "next_fires",
    "pause_schedule",
    "resume_schedule",
    "run_schedule_now",
    "schedule_faults",
    "schedule_statuses",
    "sync_schedules",
    "task_by_name",
    "ticks_of",
    "upcoming_fires",
]
