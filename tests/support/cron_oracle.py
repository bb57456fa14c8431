"""When schedules fire, by brute force: an oracle that shares no code with the platform."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import ephem

MINUTE = timedelta(minutes=1)


@cache
def clock_on_the_wall(zone, start, end):
    """Return `(moment, what the wall clock shows)` for every minute of the stretch."""
    place = ZoneInfo(zone)
    rows, moment = [], start
    while moment <= end:
        rows.append((moment, moment.astimezone(place).replace(tzinfo=None)))
        moment += MINUTE
    return rows


def crontab_ticks(fields, zone, start, end):
    """Return the ticks after `start` up to `end`.

    `fields` holds sets of numbers (minute, hour, day, month, weekday) and `wild`.
    """
    wide = timedelta(days=1)
    low = (start - wide).replace(second=0, microsecond=0)
    rows = clock_on_the_wall(zone, low, end + wide)
    found = wild_ticks(fields, rows) if fields["wild"] else fixed_ticks(fields, rows)
    return sorted({tick for tick in found if start < tick <= end})


def matches(fields, wall):
    """Return whether the wall shows a time that the fields name."""
    return (
        wall.minute in fields["minute"]
        and wall.hour in fields["hour"]
        and wall.day in fields["day"]
        and wall.month in fields["month"]
        and wall.isoweekday() % 7 in fields["weekday"]
    )


def wild_ticks(fields, rows):
    """Every moment at which the wall shows a matching time."""
    return [moment for moment, wall in rows if matches(fields, wall)]


def fixed_ticks(fields, rows):
    """Every matching time once: at its first showing, or when the clocks have jumped over it."""
    first = {}
    for moment, wall in rows:
        first.setdefault(wall, moment)
    ticks = []
    wall, last = rows[0][1], rows[-1][1]
    while wall <= last:
        if matches(fields, wall):
            ticks.append(first.get(wall) or next(m for m, shown in rows if shown > wall))
        wall += MINUTE
    return ticks


def interval_ticks(anchor, every, start, end):
    """Return the anchor's multiples, one by one."""
    ticks, tick = [], anchor + every
    while tick <= end:
        if tick > start:
            ticks.append(tick)
        tick += every
    return ticks


def sun_ticks(event, latitude, longitude, start, end):
    """Return sunrises or sunsets, straight from ephem, to the second."""
    place = ephem.Observer()
    place.lat, place.lon, place.horizon, place.pressure = latitude, longitude, "-0:34", 0
    ask = place.next_rising if event == "sunrise" else place.next_setting
    ticks, day = set(), start.replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= end:
        tick = ask(ephem.Sun(), start=ephem.Date(day.replace(tzinfo=None)))
        moment = tick.datetime().replace(tzinfo=UTC, microsecond=0)
        if moment < day + timedelta(days=1) and start < moment <= end:
            ticks.add(moment)
        day += timedelta(days=1)
    return sorted(ticks)


def judge(due, now, policy, busy):
    """Return what becomes of the due ticks, oldest first, as `{tick: status}`.

    `policy` has misfire, limit, grace, overlap and deadline; `busy` says whether an
    earlier tick's job has not finished.
    """
    late = {tick for tick in due if now - tick > timedelta(seconds=policy["grace"])}
    fates, fired_late = {}, 0
    for tick in reversed(due):
        if policy["misfire"] == "once" and late:
            fates[tick] = "fired" if tick == due[-1] else "missed"
        elif tick not in late:
            fates[tick] = "fired"
        elif policy["misfire"] == "all" and fired_late < policy["limit"]:
            fates[tick] = "fired"
            fired_late += 1
        else:
            fates[tick] = "missed"
    for tick in due:
        if fates[tick] != "fired":
            continue
        expired = policy["deadline"] and tick + timedelta(seconds=policy["deadline"]) <= now
        if expired or (policy["overlap"] == "skip" and busy):
            fates[tick] = "skipped"
        else:
            busy = True
    missed = [tick for tick in due if fates[tick] == "missed"]
    for tick in missed[: max(0, len(missed) - 100)]:
        del fates[tick]
    return fates


def moments(text):
    """Return a moment from ISO text in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
