"""Schedules in the admin."""

from celeriac.console.admin.schedules.task import PeriodicTaskAdmin
from celeriac.console.admin.schedules.times import BeatAdmin, TickAdmin, TimesAdmin

__all__ = ["BeatAdmin", "PeriodicTaskAdmin", "TickAdmin", "TimesAdmin"]
