"""Schedules in the control room."""

from apps.schedules.admin.task import PeriodicTaskAdmin
from apps.schedules.admin.times import BeatAdmin, TickAdmin, TimesAdmin

__all__ = ["BeatAdmin", "PeriodicTaskAdmin", "TickAdmin", "TimesAdmin"]
