"""The entry point to schedules for other apps."""

from celeriac.schedules.declare import Schedule as Schedule
from celeriac.schedules.errors import (
    InvalidSchedule as InvalidSchedule,
    ScheduleError as ScheduleError,
    ScheduleNotFound as ScheduleNotFound,
)
from celeriac.schedules.operate import (
    backfill_schedule as backfill_schedule,
    pause_schedule as pause_schedule,
    resume_schedule as resume_schedule,
    run_schedule_now as run_schedule_now,
)
from celeriac.schedules.selectors import (
    ScheduleStatus as ScheduleStatus,
    lag_seconds as lag_seconds,
    next_fires as next_fires,
    schedule_faults as schedule_faults,
    schedule_statuses as schedule_statuses,
    task_by_name as task_by_name,
    ticks_of as ticks_of,
    upcoming_fires as upcoming_fires,
)
from celeriac.schedules.sync import sync_schedules as sync_schedules
