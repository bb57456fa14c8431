"""Schedules in the admin."""

from celeriac.console.admin.schedules.task import PeriodicTaskAdmin as PeriodicTaskAdmin
from celeriac.console.admin.schedules.times import (
    BeatAdmin as BeatAdmin,
    TickAdmin as TickAdmin,
    TimesAdmin as TimesAdmin,
)
