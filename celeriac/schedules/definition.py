"""From django-celery-beat's rows to nominal times."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django_celery_beat.models import (
    SOLAR_SCHEDULES,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
)

from celeriac.schedules import cronfields, zones
from celeriac.schedules.crontab import Crontab, parse_crontab
from celeriac.schedules.errors import InvalidSchedule
from celeriac.schedules.solar import Sun
from celeriac.schedules.times import Interval, Once, Times, Within

SHORTEST, LONGEST = timedelta(seconds=0.1), timedelta(days=100 * 366)
_EVENTS = {name for name, _ in SOLAR_SCHEDULES}
#: Moments outside are slips of the keyboard; from those within one can count on.
EARLIEST, LATEST = 1900, 3000
RELATED = ("interval", "crontab", "solar", "clocked")


def times_of(task: PeriodicTask, *, anchor: datetime) -> Times:
    """Return the ticks of a periodic task, enabled or not.

    `anchor` is where an interval counts from unless the task has a start time.
    Raises InvalidSchedule for a row that names no schedule or one that can't be read.
    """
    for name in ("start_time", "expires"):
        check_moment(name, getattr(task, name))
    times = _bare(task, anchor)
    if task.start_time is None and task.expires is None:
        return times
    return Within(times, task.start_time, task.expires)


def zone_of(task: PeriodicTask) -> str:
    """Return the name of the zone that the schedule is written in."""
    return str(task.crontab.timezone) if task.crontab else "UTC"


def clock_of(task: PeriodicTask) -> ZoneInfo:
    """Return the zone in which to show the schedule's times: UTC where its own is unknown."""
    return zones.find_zone(zone_of(task)) or zones.UTC


def crontab_of(row: CrontabSchedule) -> Crontab:
    """Return the ticks of a crontab's row; raises InvalidSchedule where it can't be read."""
    if zones.find_zone(str(row.timezone)) is None:
        raise _unfit("zone", f"names no time zone that this machine knows: {str(row.timezone)!r}")
    fields: dict[str, str] = {name: getattr(row, name) for name in cronfields.FIELDS}
    return parse_crontab(**fields, zone=str(row.timezone))


def _bare(task: PeriodicTask, anchor: datetime) -> Times:
    if task.crontab:
        return crontab_of(task.crontab)
    if task.interval:
        every = _span(task.interval)
        return Interval(task.start_time - every if task.start_time else anchor, every)
    if task.clocked:
        check_moment("clocked", task.clocked.clocked_time)
        return Once(task.clocked.clocked_time)
    if task.solar:
        if task.solar.event not in _EVENTS:
            raise _unfit("solar", f"names no event of the sun: {task.solar.event!r}")
        return Sun(task.solar.event, str(task.solar.latitude), str(task.solar.longitude))
    raise _unfit("schedule", "has no crontab, interval, clocked time or solar event")


def _span(row: IntervalSchedule) -> timedelta:
    try:
        every = timedelta(**{row.period: row.every})
    except (OverflowError, TypeError):  # days beyond number, or a unit that there is not
        every = timedelta.max
    if every < SHORTEST:
        raise _unfit("interval", "is shorter than a tenth of a second")
    if every > LONGEST:
        raise _unfit("interval", "is longer than a hundred years")
    return every


def check_moment(field: str, moment: datetime | None) -> None:
    """Raise InvalidSchedule for a moment so far away that counting from it leaves the calendar."""
    if moment is not None and not EARLIEST <= moment.year <= LATEST:
        raise _unfit(field, f"is outside the years {EARLIEST} to {LATEST}")


def _unfit(field: str, why: str) -> InvalidSchedule:
    return InvalidSchedule(f"The {field} {why}.", errors={field: why})
