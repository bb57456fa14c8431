"""Real beats."""

import os
import random
import signal
import time
from datetime import timedelta
from itertools import pairwise

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from celeriac.jobs.models import Job
from celeriac.schedules.models import Beat, Policy, Tick
from celeriac.schedules.refresh import refresh_schedules
from tests.factories_schedules import PeriodicTaskFactory, schedule_of
from tests.support.processes import wait_until

#: `SCHEDULES_LONG=1` runs the whole of it: forty kills, and twenty quiet seconds after them.
LONG = bool(os.environ.get("SCHEDULES_LONG"))
KILLS, QUIET, SPREAD = (40, 20.0, 2.0) if LONG else (8, 4.0, 0.7)
#: Of four kills, those that wait until the beat is up.
AT_WORK = (0, 1, 3) if LONG else (1,)


def every(seconds, count):
    """Make schedules of a few seconds that run everything they missed."""
    refresh_schedules()
    return [
        PeriodicTaskFactory(
            task="test.noop",
            kwargs="{}",
            every=timedelta(seconds=seconds(number)),
            policy={"misfire": "all", "misfire_limit": 10_000},
        )
        for number in range(count)
    ]


def beat_that_is_ready(processes, **env):
    """Start a beat and wait until it has beaten once."""
    known = Beat.objects.count()
    process = processes.beat("-l", "INFO", env=env)
    wait_until(lambda: Beat.objects.count() > known, timeout=60, message=process.output)
    return process


def test_a_beat_fires_says_that_it_lives_and_stops(processes):
    """From a schedule made while it runs to a goodbye on SIGTERM."""
    beat = beat_that_is_ready(processes)
    task = PeriodicTaskFactory(every=timedelta(seconds=1))
    wait_until(lambda: Tick.objects.filter(periodic_task=task, status="fired").count() >= 2)
    assert Beat.objects.living().count() == 1
    assert Job.objects.filter(kind="test.note").exists()
    assert beat.stop() == 0
    assert Beat.objects.living().count() == 0


def test_an_update_without_a_signal_is_seen_soon(processes):
    """Nobody calls PeriodicTasks.changed()."""
    beat_that_is_ready(processes)
    task = PeriodicTaskFactory(every=timedelta(days=1))
    columns = schedule_of(every=timedelta(seconds=1))
    type(task).objects.filter(pk=task.pk).update(**columns)
    wait_until(lambda: Tick.objects.filter(periodic_task=task, status="fired").exists())


@pytest.mark.timeout(3600 if LONG else 300)
def test_kills_and_a_restart_of_the_database_cost_no_tick(processes, postgres_server):
    """Two beats over fifty schedules: no tick twice, none missing under "run all"."""
    tasks = every(lambda number: 1 + number % 3, 50)
    beats = [beat_that_is_ready(processes), beat_that_is_ready(processes)]
    dice = random.Random(5)  # noqa: S311 a seed, not a secret
    for kill in range(KILLS):
        time.sleep(dice.random() * SPREAD)  # the moment of the kill, not a condition
        victim = dice.choice(beats)
        if kill % 4 in AT_WORK:  # the others hit whatever it is at: a start, as a rule
            wait_until(lambda beat=victim: Beat.objects.filter(pid=beat.pid).exists(), timeout=120)
        victim.send_group(signal.SIGKILL)
        victim.wait()
        victim.start()
        if kill == KILLS // 2:
            connection.close()
            postgres_server.restart()
    time.sleep(QUIET)  # how long nobody disturbs them
    until = timezone.now()
    wait_until(lambda: decided_until(until), timeout=60, message=beats[0].output)
    for task in tasks:
        policy = Policy.objects.get(pk=task.pk)
        nominal, span = set(), task.interval.schedule.run_every
        tick = policy.anchor + span
        while tick <= until:
            nominal.add(tick)
            tick += span
        found = Tick.objects.filter(periodic_task=task, scheduled_for__lte=until)
        assert set(found.values_list("scheduled_for", flat=True)) == nominal
        assert not found.exclude(status="fired").exists()
    fired = Tick.objects.filter(periodic_task__in=tasks)
    assert fired.values("job").distinct().count() == fired.count()
    assert Job.objects.filter(tick__in=fired.values("pk")).count() == fired.count()
    assert all(beat.is_running for beat in beats)
    print(f"{fired.count()} ticks, {KILLS} kills, {Beat.objects.count()} boots of a beat")


def decided_until(moment):
    """Return whether every schedule of the test has come past the moment."""
    return not Policy.objects.filter(
        next_fire_at__lte=moment, periodic_task__task="test.noop"
    ).exists()


def test_a_database_outage_kills_no_beat(processes, postgres_server):
    """It is there again when the database is, and makes up for what it missed."""
    beat = beat_that_is_ready(processes)
    task = every(lambda _: 1, 1)[0]
    wait_until(lambda: Tick.objects.filter(periodic_task=task).exists())
    connection.close()
    postgres_server.stop()
    wait_until(lambda: "nothing fires until this ends" in beat.output)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_server.url(), connect_timeout=2)
    postgres_server.start()
    back = timezone.now()
    wait_until(lambda: decided_until(back + timedelta(seconds=1)), timeout=60)
    found = Tick.objects.filter(periodic_task=task, status="fired")
    times = sorted(found.values_list("scheduled_for", flat=True))
    assert {later - sooner for sooner, later in pairwise(times)} == {timedelta(seconds=1)}


def test_a_broker_outage_loses_no_run(processes, valkey_server):
    """The job is in the ledger; only its doorbell has to wait."""
    beat_that_is_ready(processes)
    task = every(lambda _: 1, 1)[0]
    valkey_server.stop()
    try:
        start = timezone.now()
        wait_until(
            lambda: (
                Tick.objects.filter(
                    periodic_task=task, status="fired", scheduled_for__gt=start
                ).count()
                >= 2
            )
        )
    finally:
        valkey_server.start()
    fired = Tick.objects.filter(periodic_task=task)
    assert Job.objects.filter(tick__in=fired.values("pk")).count() == fired.count()
