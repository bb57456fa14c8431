"""Random schedules, downtimes, kills, outages, clocks, two beats: the ticks are the oracle's.

Time is simulated, the beats are not: each has a connection and a thread of its own,
and what they write is committed, so that they race for rows as processes do.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as project
from django.db import connection, connections
from django.test import override_settings
from freezegun import freeze_time
from hypothesis import HealthCheck, example, given, settings, strategies as st

from celeriac.core import clock
from celeriac.core.clock import Now
from celeriac.jobs import nudge
from celeriac.jobs.models import Job
from celeriac.schedules import sql
from celeriac.schedules.fire import fire_due
from celeriac.schedules.models import Policy, Tick
from celeriac.schedules.refresh import refresh_schedules
from tests.factories_schedules import PeriodicTaskFactory
from tests.support import cron_oracle as oracle

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLES = 1000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 50
ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe"),
    *("Africa/Cairo", "Asia/Kolkata", "America/St_Johns", "America/Havana"),
]
#: Days around which some zone's clocks change, and an ordinary one.
DAYS = ["2026-03-07", "2026-03-28", "2026-04-04", "2026-04-23", "2026-09-05", "2026-10-03",
        "2026-10-24", "2026-10-31", "2026-02-27", "2026-06-10"]  # fmt: skip
#: How long the simulated time lasts at most.
SPAN = timedelta(days=3)


def values(low, high):
    """Return `(text, numbers)` of one field of a crontab."""
    everything = st.just(("*", set(range(low, high + 1))))
    steps = st.sampled_from([2, 3, 5, 12]).map(
        lambda step: (f"*/{step}", set(range(low, high + 1, step)))
    )
    return st.one_of(named(low, high), everything, steps)


def named(low, high):
    """Return `(text, numbers)` of a field that names its numbers, so that they may be few."""
    lists = st.sets(st.integers(low, high), min_size=1, max_size=3).map(
        lambda numbers: (",".join(map(str, sorted(numbers))), numbers)
    )
    ranges = st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda ends: (f"{min(ends)}-{max(ends)}", set(range(min(ends), max(ends) + 1)))
    )
    return st.one_of(lists, ranges)


@st.composite
def crontabs(draw):
    """Return a crontab's text and its numbers."""
    minute = draw(st.one_of(values(0, 59).filter(lambda f: len(f[1]) < 4), values(0, 59)))
    hour = draw(st.one_of(values(0, 23), named(0, 3)))  # clocks change in the small hours
    day = draw(st.one_of(st.just(("*", set(range(1, 32)))), values(1, 31)))
    weekday = draw(st.one_of(st.just(("*", set(range(7)))), values(0, 6)))
    fields = {
        "minute": minute[1],
        "hour": hour[1],
        "day": day[1],
        "month": set(range(1, 13)),
        "weekday": weekday[1],
        "wild": hour[0].startswith("*") or len(hour[1]) == 24,
    }
    text = f"{minute[0]} {hour[0]} {day[0]} * {weekday[0]}"
    return {"cron": text, "zone": draw(st.sampled_from(ZONES))}, fields


minutes = st.integers(1, 60 * 24 * 3).map(lambda number: timedelta(minutes=number, seconds=17))
WHEN = st.one_of(
    crontabs(),
    crontabs(),
    st.sampled_from([timedelta(minutes=5), timedelta(minutes=47), timedelta(hours=7)]).map(
        lambda every: ({"every": every}, None)
    ),
    minutes.map(lambda ahead: ({"at": ahead}, None)),
    st.tuples(
        st.sampled_from(["sunrise", "sunset"]), st.integers(-55, 55), st.integers(-170, 170)
    ).map(lambda sun: ({"sun": (sun[0], str(sun[1]), str(sun[2]))}, None)),
)
POLICY = st.fixed_dictionaries(
    {
        "misfire": st.sampled_from(["skip", "once", "all"]),
        "limit": st.sampled_from([1, 3, 100, 5000]),
        "grace": st.sampled_from([0.0, 60.0, 3600.0]),
        "overlap": st.sampled_from(["allow", "skip", "wait"]),
        "deadline": st.sampled_from([None, None, 90.0, 7200.0]),
    }
)
#: A crontab whose time does not exist on one night, run for each tick.
GAP = (
    (
        {"cron": "30 2 * * *", "zone": "Europe/Berlin"},
        {
            "minute": {30},
            "hour": {2},
            "day": set(range(1, 32)),
            "month": set(range(1, 13)),
            "weekday": set(range(7)),
            "wild": False,
        },
    ),
    {"misfire": "all", "limit": 100, "grace": 60.0, "overlap": "allow", "deadline": None},
)
#: Minutes until the next look (a downtime, or the clock set back), how the jobs and the
#: broker are by then, and what becomes of each beat that is up: it works, or it is killed
#: before its commit. One that is there at the next look is a new one: beats keep nothing.
LOOK = st.tuples(
    st.one_of(st.integers(1, 20), st.integers(20, 2000), st.integers(-90, -1)),
    st.sampled_from(["jobs run", "jobs run", "jobs have ended"]),
    st.sampled_from(["broker up", "broker up", "broker down"]),
    st.sampled_from(
        [("works",), ("works", "works"), ("works", "works"), ("dies",), ("dies", "works"),
         ("dies", "dies")]
    ),
)  # fmt: skip
#: Longer than any example takes.
DEADLINE = 60.0
#: Nobody may listen at this port.
NOWHERE = "redis://127.0.0.1:1/0"
CALM = ("jobs run", "broker up")
EMPTY = """
DELETE FROM celeriac_jobs_jobkey; DELETE FROM celeriac_jobs_job; DELETE FROM
    celeriac_schedules_tick;
DELETE FROM celeriac_schedules_policy; DELETE FROM django_celery_beat_periodictask
"""


@dataclass
class Expected:
    """What the oracle says of one schedule."""

    task: object
    ticks: list
    policy: dict
    cursor: datetime
    fates: dict = field(default_factory=dict)
    busy: bool = False

    def due(self, now):
        """Return the ticks that nobody has decided at `now`."""
        return [tick for tick in self.ticks if self.cursor < tick <= now]

    def look(self, now):
        """Decide as a beat that looks at `now`."""
        new = oracle.judge(self.due(now), now, self.policy, self.busy)
        self.fates |= new
        self.busy = self.busy or "fired" in new.values()
        self.cursor = now


@contextmanager
def database_clock(moment):
    """Let the database's clock stand at `moment`, or a few milliseconds after."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        real = cursor.fetchone()[0]
    with clock.offset_clock(moment - real):
        yield


def make(when, policy, now):
    """Make a schedule, and what the oracle expects of it."""
    given_when, fields = when
    columns = dict(given_when)
    if "at" in columns:
        columns["at"] = (now + columns["at"]).replace(microsecond=0)
    names = {"limit": "misfire_limit", "grace": "misfire_grace"}
    row = {names.get(name, name): value for name, value in policy.items()}
    task = PeriodicTaskFactory(task="test.noop", kwargs="{}", policy=row, **columns)
    made = Policy.objects.get(pk=task.pk)
    end = now + SPAN + timedelta(days=1)
    if "cron" in columns:
        ticks = oracle.crontab_ticks(fields, columns["zone"], now, end)
    elif "every" in columns:
        ticks = oracle.interval_ticks(made.anchor, columns["every"], now, end)
    elif "at" in columns:
        ticks = [columns["at"]]
    else:
        ticks = oracle.sun_ticks(*columns["sun"], now, end)
    return Expected(task, ticks, policy, made.cursor)


class Killed(Exception):
    """The beat dies before its commit."""


class Beats:
    """Two beats, each in a thread and on a connection of its own."""

    def __init__(self):
        """Start none."""
        self.pool = ThreadPoolExecutor(2)
        self.doomed = set()

    def race(self, moment, ends):
        """Let a beat for each of `ends` look at the moment; return when they looked."""
        barrier = threading.Barrier(len(ends))
        futures = [self.pool.submit(self.one, moment, end, barrier) for end in ends]
        return {now for future in futures for now in future.result(DEADLINE)}

    def one(self, moment, end, barrier):
        """Do what one beat does until nothing is due, or until it is killed."""
        self.doomed.discard(threading.get_ident())
        if end == "dies":
            self.doomed.add(threading.get_ident())
        looked = []
        with database_clock(moment):
            barrier.wait(DEADLINE)
            refresh_schedules()
            try:
                while sql.due_ids(limit=1):
                    done = fire_due()
                    looked += [done.now] * bool(done.schedules)
            except Killed:
                pass
        return looked

    def advance(self, rows):
        """Stand in for the last statement of a beat's transaction."""
        if threading.get_ident() in self.doomed:
            raise Killed
        return ADVANCE(rows)

    def end(self):
        """Close both connections."""
        barrier = threading.Barrier(2)

        def close():
            barrier.wait(DEADLINE)  # so that each thread takes one of the two
            connections.close_all()

        for future in [self.pool.submit(close) for _ in range(2)]:
            future.result(DEADLINE)
        self.pool.shutdown()


ADVANCE = sql.advance_schedules


@pytest.fixture
def beats(monkeypatch):
    """Yield two beats, of which each may be killed where it hurts most."""
    both = Beats()
    monkeypatch.setattr(sql, "advance_schedules", both.advance)
    yield both
    both.end()


@contextmanager
def broker(state):
    """Let nobody listen where the broker should be, if it is down."""
    nudge.reset()
    with override_settings(
        CELERIAC=project.CELERIAC | ({"NUDGE_URL": NOWHERE} if "down" in state else {})
    ):
        yield


def finish_jobs(schedules):
    """End every job, so that nothing overlaps."""
    Job.objects.filter(finished_at=None).update(
        state="succeeded", finished_at=Now(), started_at=Now(), attempt=1
    )
    for schedule in schedules:
        schedule.busy = False


def look(schedules, beats, moment, ends):
    """Let beats look; every schedule that one of them took is judged by when that one looked."""
    looked = beats.race(moment, ends)
    cursors = dict(Policy.objects.values_list("pk", "cursor"))
    for schedule in schedules:
        cursor = cursors[schedule.task.pk]
        if cursor in looked:
            schedule.look(cursor)
        assert ends == ("dies",) * len(ends) or not schedule.due(moment)


def check(schedules):
    """Compare the ticks with the oracle's, and each fired one with its job."""
    for schedule in schedules:
        found = Tick.objects.filter(periodic_task=schedule.task)
        assert {tick.scheduled_for: tick.status for tick in found} == schedule.fates
        fired = found.filter(status="fired")
        jobs = Job.objects.filter(tick__in=fired.values("pk"))
        assert jobs.count() == fired.count()
        assert set(jobs.values_list("run_at", flat=True)) == {t.scheduled_for for t in fired}
        wait = schedule.policy["overlap"] == "wait"
        assert all((job.lock_key is not None) == wait for job in jobs)


def simulate(start, schedules, looks, beats):
    """Live through one example."""
    now = end = oracle.moments(start) + timedelta(hours=3, seconds=30)
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    with database_clock(now):
        known = [make(*one, clock.db_now()) for one in schedules]
    for ahead, jobs, state, ends in looks:
        now = min(max(now + timedelta(minutes=ahead), oracle.moments(start)), end + SPAN)
        if jobs == "jobs have ended":
            finish_jobs(known)
        with broker(state):
            look(known, beats, now, ends)
    check(known)


@pytest.mark.timeout(300 if EXAMPLES < 1000 else 7200)
def test_the_ticks_are_exactly_the_oracles(beats):
    """Python's clock stands still and wrong all the while: only the database's counts."""

    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(
        st.sampled_from(DAYS),
        st.lists(st.tuples(WHEN, POLICY), min_size=1, max_size=4),
        st.lists(LOOK, min_size=1, max_size=10),
    )
    @example("2026-03-28", [GAP], [(1440, *CALM, ("dies",)), (1440, *CALM, ("works",) * 2)])
    @example("2026-03-28", [GAP] * 4, [(2000, *CALM, ("dies", "works")), (-60, *CALM, ("works",))])
    def run(start, schedules, looks):
        simulate(start, schedules, looks, beats)

    with freeze_time(datetime(2001, 2, 3, tzinfo=UTC), ignore=["psycopg", "hypothesis"]):
        run()
