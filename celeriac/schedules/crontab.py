"""When a crontab fires, daylight saving included. Pure: no Django.

Two rules, and which one holds is decided by the hour field:

- *Fixed hours* (`2`, `9-17`, `0,12`) name times of the day. A time that the clocks
  skip fires once, at the moment the gap ends; one that comes twice fires the
  first time only. Several skipped times that end at one moment are one tick.
- *Wildcard hours* (`*`, `*/2`, or all 24) name a rhythm: they fire at every moment
  at which the clock on the wall shows a matching time, so not in a gap and in
  both hours of a fold.

Day of month and day of week must both match, as Celery has it.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from celeriac.schedules import cronfields
from celeriac.schedules.errors import InvalidSchedule

_DAY = timedelta(days=1)
#: The longest pause of a crontab that fires at all: a 29th of February on a given weekday.
_HORIZON = timedelta(days=41 * 366)


@dataclass(frozen=True, slots=True)
class Crontab:
    """A crontab in a time zone: its fields expanded, `wild` when its hours are a rhythm."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    zone: ZoneInfo
    wild: bool

    def after(self, moment: datetime) -> datetime | None:
        """Return the first tick later than `moment` (aware), or None if there is none."""
        moment = moment.astimezone(UTC)
        start = moment.astimezone(self.zone).date() - _DAY
        for day in self._days_from(start):
            found = self._first_on(day, moment)
            if found is None:
                continue
            following = day + _DAY
            if _shifts(self.zone, day) or _shifts(self.zone, following):
                # Where the clocks go over midnight, the next day's ticks may come before.
                rival = self._first_on(following, moment) if self._matches(following) else None
                found = min(found, rival or found)
            return found
        return None

    def _days_from(self, start: date) -> Iterator[date]:
        day, end = start, start + _HORIZON
        while day < end:
            if day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self._matches(day):
                yield day
            day += _DAY

    def _matches(self, day: date) -> bool:
        return (
            day.month in self.months
            and day.day in self.days
            and day.isoweekday() % 7 in self.weekdays
        )

    def _first_on(self, day: date, moment: datetime) -> datetime | None:
        """Return the first tick after `moment` that belongs to the local date `day`."""
        if _shifts(self.zone, day):
            ticks = _shifted_day(self, day)
            place = bisect_right(ticks, moment)
            return ticks[place] if place < len(ticks) else None
        offset = _offset(self.zone, datetime.combine(day, time()))
        local = (moment + offset).replace(tzinfo=None)
        wall = self._wall_after(local, day)
        return wall and (wall - offset).replace(tzinfo=UTC)

    def _wall_after(self, local: datetime, day: date) -> datetime | None:
        """Return the first matching time of `day` later than `local`, both on the wall."""
        if local < datetime.combine(day, time()):
            return datetime.combine(day, time(self.hours[0], self.minutes[0]))
        if local.date() > day:
            return None
        if local.hour in self.hours:
            place = bisect_right(self.minutes, local.minute)
            if place < len(self.minutes):
                return datetime.combine(day, time(local.hour, self.minutes[place]))
        place = bisect_right(self.hours, local.hour)
        if place < len(self.hours):
            return datetime.combine(day, time(self.hours[place], self.minutes[0]))
        return None


@lru_cache(maxsize=20_000)
def parse_crontab(
    *,
    minute: str = "*",
    hour: str = "*",
    day_of_month: str = "*",
    month_of_year: str = "*",
    day_of_week: str = "*",
    zone: str = "UTC",
) -> Crontab:
    """Return the crontab of these fields; InvalidSchedule names a field that can't be read."""
    hours = cronfields.HOUR.parse(hour)
    days = cronfields.DAY_OF_MONTH.parse(day_of_month)
    months = cronfields.MONTH_OF_YEAR.parse(month_of_year)
    if not any(day <= _longest(month) for month in months for day in days):
        text = f"no month of {month_of_year!r} has a day {day_of_month!r}"
        raise InvalidSchedule(f"{text}.", errors={"day_of_month": text})
    return Crontab(
        minutes=tuple(sorted(cronfields.MINUTE.parse(minute))),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=cronfields.DAY_OF_WEEK.parse(day_of_week),
        zone=ZoneInfo(zone),
        wild=hour.lstrip().startswith("*") or len(hours) == 24,
    )


def _longest(month: int) -> int:
    return 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31


@lru_cache(maxsize=4096)
def _shifts(zone: ZoneInfo, day: date) -> bool:
    """Whether the clocks of the zone change on that local date."""
    midnight = datetime.combine(day, time())
    return _offset(zone, midnight) != _offset(zone, midnight + _DAY)


@lru_cache(maxsize=1024)
def _shifted_day(tab: Crontab, day: date) -> tuple[datetime, ...]:
    """Return every tick that belongs to a local date on which the clocks change."""
    walls = [datetime.combine(day, time(hour, m)) for hour in tab.hours for m in tab.minutes]
    return tuple(sorted({tick for wall in walls for tick in _moments(tab, wall)}))


def _moments(tab: Crontab, wall: datetime) -> list[datetime]:
    """Return the moments at which a time on the wall fires, by the two rules above."""
    early, late = (_utc(tab.zone, wall.replace(fold=fold)) for fold in (0, 1))
    if early == late:
        return [early]
    if early < late:
        return [early, late] if tab.wild else [early]
    return [] if tab.wild else [_gap_end(tab.zone, late, early)]


def _gap_end(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the moment between the two at which the offset changes, to the second."""
    low, high = 0, int((after - before).total_seconds())
    old = before.astimezone(zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


def _utc(zone: ZoneInfo, wall: datetime) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _offset(zone: ZoneInfo, wall: datetime) -> timedelta:
    return wall.replace(tzinfo=zone).utcoffset() or timedelta()
