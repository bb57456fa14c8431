"""When the sun does something: django-celery-beat's own arithmetic, made repeatable.

Its answer depends a little on the moment it is asked from. Each UTC day is asked
once, from its midnight, and the answer is cut to the second, so that everybody gets
the same one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache

from django_celery_beat.models import SolarSchedule

_DAY = timedelta(days=1)
#: Two events closer than this are one, seen from both sides of midnight.
_APART = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Sun:
    """An event of the sun at a place."""

    event: str
    latitude: str
    longitude: str

    def after(self, moment: datetime) -> datetime | None:
        """Return the event's first occurrence after `moment`; None if there is none in a year."""
        day = datetime.combine(moment.astimezone(UTC).date(), time(), UTC) - _DAY
        before: datetime | None = None
        while day < moment + 367 * _DAY:
            tick = _event(self, day)
            if tick >= day + _DAY:  # not on this day: high latitudes know such months
                day = datetime.combine(tick.date(), time(), UTC)
                continue
            if tick > moment and (before is None or tick - before > _APART):
                return tick
            before, day = tick, day + _DAY
        return None


@lru_cache(maxsize=20_000)
def _event(sun: Sun, start: datetime) -> datetime:
    """Return the event's first occurrence after `start`, to the second."""
    schedule = SolarSchedule(
        event=sun.event, latitude=float(sun.latitude), longitude=float(sun.longitude)
    ).schedule
    schedule.nowfun = lambda: start
    try:
        found: datetime = start + schedule.remaining_estimate(start)
    except TypeError:  # Celery before 5.7 trips over a day without a sunrise or sunset
        return start + _DAY
    return found.replace(microsecond=0)
