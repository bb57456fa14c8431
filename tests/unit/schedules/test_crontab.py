from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from celeriac.schedules import cronfields
from celeriac.schedules.crontab import parse_crontab
from celeriac.schedules.errors import InvalidSchedule
from celeriac.schedules.solar import Sun
from celeriac.schedules.times import Interval, Once, Within, due_ticks, ticks_between
from tests.support import cron_oracle as oracle

DOCS = Path(__file__).parents[3] / "docs" / "schedules.md"
BEGIN, END = "<!-- DST table: made by tests/unit/schedules/test_crontab.py -->", "<!-- end -->"

#: zone, the night before the change, crontab, and what the wall clock shows at each tick.
DST = [
    ("Europe/Berlin", "2026-03-28T12:00", "30 2 * * *", "03-29 03:00, 03-30 02:30", "skipped"),
    ("Europe/Berlin", "2026-10-24T12:00", "30 2 * * *", "10-25 02:30, 10-26 02:30", "doubled"),
    ("Europe/Berlin", "2026-03-29T00:30", "0 * * * *", "03-29 03:00, 03-29 04:00", "skipped"),
    ("Europe/Berlin", "2026-10-24T23:30", "0 * * * *", "10-25 02:00, 10-25 02:00", "doubled"),
    ("America/New_York", "2026-03-07T18:00", "0,30 2 * * *", "03-08 03:00, 03-09 02:00", "skipped"),
    ("America/New_York", "2026-11-01T00:00", "0,30 1 * * *", "11-01 01:00, 11-01 01:30", "doubled"),
    ("America/New_York", "2026-11-01T04:45", "*/30 * * * *", "11-01 01:00, 11-01 01:30", "doubled"),
    ("Pacific/Auckland", "2026-09-26T00:00", "15 2 * * *", "09-27 03:00, 09-28 02:15", "skipped"),
    ("Pacific/Auckland", "2026-04-04T00:00", "15 2 * * *", "04-05 02:15, 04-06 02:15", "doubled"),
    ("Australia/Lord_Howe", "2026-10-03T12:00", "15 2 * * *", "10-04 02:30, 10-05 02:15",
     "skipped"),
    ("Australia/Lord_Howe", "2026-04-04T12:00", "45 1 * * *", "04-05 01:45, 04-06 01:45",
     "doubled"),
    ("America/Santiago", "2026-09-05T12:00", "0 0 * * *", "09-06 01:00, 09-07 00:00", "skipped"),
    ("America/Santiago", "2026-04-04T12:00", "30 23 * * *", "04-04 23:30, 04-05 23:30", "doubled"),
    ("America/Santiago", "2026-09-06T03:30", "0 */2 * * *", "09-06 02:00, 09-06 04:00", "skipped"),
]  # fmt: skip


def times(text, zone="UTC"):
    """Return the crontab of five fields."""
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    return parse_crontab(**dict(zip(names, text.split(), strict=True)), zone=zone)


def actual(zone, start, text):
    """Return the first two ticks as the wall clock shows them, and as UTC."""
    tab, moment, ticks = times(text, zone), oracle.moments(start), []
    for _ in range(2):
        moment = tab.after(moment)
        ticks.append(moment)
    walls = ", ".join(f"{tick.astimezone(tab.zone):%m-%d %H:%M}" for tick in ticks)
    return walls, ", ".join(f"{tick:%m-%d %H:%M}" for tick in ticks)


@pytest.mark.parametrize(("zone", "start", "text", "expected", "_"), DST)
def test_daylight_saving_follows_the_two_rules(zone, start, text, expected, _):
    """Fixed hours fire once; wildcard hours keep their rhythm."""
    assert actual(zone, start, text)[0] == expected


def test_the_docs_show_the_daylight_saving_table():
    """Made here: run this test with the table emptied to see what belongs there."""
    lines = ["| zone | crontab | the time is | expected | actual | in UTC |", "|" + "---|" * 6]
    for zone, start, text, expected, what in DST:
        walls, utc = actual(zone, start, text)
        lines.append(f"| {zone} | `{text}` | {what} | {expected} | {walls} | {utc} |")
    shown = DOCS.read_text().partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == "\n".join(lines)


@pytest.mark.parametrize(
    ("field", "text", "values"),
    [
        (cronfields.MINUTE, "*/20", {0, 20, 40}),
        (cronfields.MINUTE, "58-1", {58, 59, 0, 1}),
        (cronfields.HOUR, "8-17/3,23", {8, 11, 14, 17, 23}),
        (cronfields.DAY_OF_MONTH, "*/10", {1, 11, 21, 31}),
        (cronfields.DAY_OF_WEEK, "mon-fri", {1, 2, 3, 4, 5}),
        (cronfields.DAY_OF_WEEK, "5-7", {5, 6, 0}),
        (cronfields.DAY_OF_WEEK, "7", {0}),
        (cronfields.DAY_OF_WEEK, "sunday", {0}),
        (cronfields.MONTH_OF_YEAR, "jan,Dec", {1, 12}),
    ],
)
def test_fields_are_read_as_celery_reads_them(field, text, values):
    """And both 0 and 7 are Sunday."""
    assert field.parse(text) == values


@pytest.mark.parametrize(
    ("text", "field"),
    [("60 * * * *", "minute"), ("* 5/2 * * *", "hour"), ("* * 0 * *", "day_of_month"),
     ("* * * */0 *", "month_of_year"), ("* * * * x", "day_of_week"),
     ("* * 30 2 *", "day_of_month")],
)  # fmt: skip
def test_a_bad_field_is_named(text, field):
    """The form shows the message at that field."""
    with pytest.raises(InvalidSchedule) as caught:
        times(text)
    assert list(caught.value.errors) == [field]


def test_rare_crontabs_are_found_and_impossible_ones_end():
    """A 29th of February on a Monday."""
    assert times("0 0 29 2 1").after(oracle.moments("2026-01-01")) == oracle.moments("2044-02-29")


def test_ticks_are_those_of_celery_on_days_without_a_change():
    """People who come from Celery find their crontabs again."""
    from celery.schedules import crontab as celery_crontab

    start = datetime(2026, 6, 10, 7, 3, 20, tzinfo=UTC)
    for text in ("*/7 3-5 * * *", "15 10 * * 1-5", "0 0 1,15 * *", "5 */4 * 6-8 *"):
        minute, hour, day, month, weekday = text.split()
        stock = celery_crontab(
            minute=minute,
            hour=hour,
            day_of_month=day,
            month_of_year=month,
            day_of_week=weekday,
            nowfun=lambda: start,
        )
        assert times(text).after(start) == start + stock.remaining_estimate(start)


def test_intervals_count_from_their_anchor():
    """Whenever one asks."""
    start = oracle.moments("2026-01-01")
    every = Interval(start, timedelta(minutes=7))
    assert every.after(start - timedelta(days=1)) == start + timedelta(minutes=7)
    assert every.after(start + timedelta(minutes=14)) == start + timedelta(minutes=21)


def test_bounds_cut_a_schedule_off():
    """From its start on and before its end."""
    start = oracle.moments("2026-01-01")
    hourly = Within(times("0 * * * *"), start + timedelta(hours=2), start + timedelta(hours=4))
    found = list(ticks_between(hourly, start, start + timedelta(days=1)))
    assert [tick.hour for tick in found] == [2, 3]
    assert Within(Once(start), None, start).after(start - timedelta(hours=1)) is None


@pytest.mark.parametrize("schedule", ["crontab", "interval"])
def test_long_stretches_are_counted_not_listed(schedule):
    """By walking or by arithmetic: the same answer."""
    start = oracle.moments("2026-01-01")
    every = times("* * * * *") if schedule == "crontab" else Interval(start, timedelta(minutes=1))
    found = due_ticks(every, start, start + timedelta(days=2), keep=3)
    assert (len(found.ticks), found.cut) == (3, 2 * 1440 - 3)
    assert found.ticks[-1] == start + timedelta(days=2)
    assert found.cut_since == start + timedelta(minutes=1)


def test_the_sun_is_where_an_almanac_says():
    """Greenwich at midsummer, to the minute or two."""
    ticks = [Sun(event, "51.48", "0").after(oracle.moments("2026-06-21"))
             for event in ("sunrise", "sunset")]  # fmt: skip
    assert abs(ticks[0] - oracle.moments("2026-06-21T03:43")) < timedelta(minutes=2)
    assert abs(ticks[1] - oracle.moments("2026-06-21T20:21")) < timedelta(minutes=2)


def test_the_sun_is_patient_with_polar_nights():
    """Longyearbyen's sun does not rise in December."""
    tick = Sun("sunrise", "78.2", "15.6").after(oracle.moments("2025-12-01"))
    assert tick.year == 2026
    assert tick.month == 2
    assert Sun("sunrise", "78.2", "15.6").after(tick) > tick + timedelta(hours=20)
