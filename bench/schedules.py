"""What ten thousand schedules cost a beat: `python -m bench.schedules DIRECTORY [--quick]`.

One in a hundred is due each minute. A beat starts over rows that nobody started yet,
and once more as after a restart, at a tenth of them and at all; then its processor
time, and the database's, is measured for a minute as it fires. The result goes to
DIRECTORY/schedules.json.
"""

import json
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import psutil

from bench import cpu_time
from bench.processes import wait_until

ROOT = Path(__file__).resolve().parent.parent
#: How many schedules there are as beats start; the loop is measured over the last.
NUMBERS = (1_000, 10_000)
#: Seconds over which a beat's loop is measured: crontabs fire at the full minute.
STRETCH = 60.0
#: Each schedule fires once in so many minutes: one in a hundred each minute.
MINUTES = 100
#: Hours of a day named by a crontab that fires as often: 24 * 60 / MINUTES.
_HOURS = (14, 15, 14, 14, 15)
_COMMAND = ("-m", "celery", "-A", "config", "beat", "--loglevel=WARNING", "--pidfile=")


def main(directory: Path, *, quick: bool) -> None:
    """Measure and write the result."""
    django.setup()
    numbers = [number // 10 for number in NUMBERS] if quick else list(NUMBERS)
    figures: dict[str, Any] = {"starts": [starts(number, directory) for number in numbers]}
    with beat(directory) as (process, _):
        figures |= loop(process, STRETCH / 10 if quick else STRETCH)
    (directory / "schedules.json").write_text(json.dumps(figures | {"schedules": numbers[-1]}))


def starts(number: int, directory: Path) -> dict[str, float]:
    """Return how long a beat takes to start over new schedules, and over those it knows."""
    make(number)
    with beat(directory) as (_, first):
        pass
    with beat(directory) as (_, again):
        pass
    return {"schedules": number, "first_s": first, "again_s": again}


def make(number: int, seed: int = 1) -> None:
    """Replace all schedules by so many, half of them intervals and half crontabs."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    from celeriac.core import clock

    PeriodicTask.objects.all().delete()
    dice = random.Random(seed)  # noqa: S311 offsets, not secrets
    now, period = clock.db_now(), timedelta(minutes=MINUTES)
    every = IntervalSchedule.objects.get_or_create(every=MINUTES, period="minutes")[0]
    half = number // 2
    when = [{"interval": every, "start_time": now - period * dice.random()} for _ in range(half)]
    when += [{"crontab": row} for row in _crontabs(number - half, dice)]
    call = {"task": "bench.touch", "kwargs": '{"number": 0}'}
    PeriodicTask.objects.bulk_create(
        [PeriodicTask(name=f"bench-{at}", **call, **one) for at, one in enumerate(when)]
    )


def _crontabs(number: int, dice: random.Random) -> list[Any]:
    """Return so many crontabs, each at a minute and at hours of its own."""
    from django_celery_beat.models import CrontabSchedule

    rows = []
    for at in range(number):
        hours = sorted(dice.sample(range(24), _HOURS[at % len(_HOURS)]))
        text = ",".join(map(str, hours))
        rows.append(CrontabSchedule(minute=str(dice.randrange(60)), hour=text, timezone="UTC"))
    return list(CrontabSchedule.objects.bulk_create(rows))


@contextmanager
def beat(directory: Path) -> Iterator[tuple[psutil.Popen, float]]:
    """Yield a beat's process and the seconds until it had looked at every schedule."""
    from celeriac.schedules.models import Beat

    Beat.objects.all().delete()
    with (directory / "beat.log").open("ab") as log:
        started = time.monotonic()
        process = psutil.Popen(
            [sys.executable, *_COMMAND], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_until(Beat.objects.exists, what="a beat starts", timeout=180, every=0.01)
        yield process, round(time.monotonic() - started, 2)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def loop(process: psutil.Popen, stretch: float) -> dict[str, Any]:
    """Return what a running beat does in `stretch` seconds, and the cores that it takes."""
    from celeriac.schedules.models import Tick

    time.sleep(2.0)  # what was late is fired, and connections are warm
    ticks, before, started = Tick.objects.count(), _spent(process), time.monotonic()
    time.sleep(stretch)
    seconds, after = time.monotonic() - started, _spent(process)
    fired = Tick.objects.count() - ticks
    cores = {role: round((after[role] - before[role]) / seconds, 4) for role in after}
    return {
        "seconds": round(seconds, 1),
        "ticks_per_minute": round(60 * fired / seconds, 1),
        "late_s_p50": _late(fired),
        "cores": cores["beat"],
        "postgres_cores": cores["postgres"],
    }


def _spent(process: psutil.Process) -> cpu_time.Seconds:
    return {"beat": cpu_time.of_tree(process), "postgres": cpu_time.of_servers()["postgres"]}


def _late(number: int) -> float:
    """Return how many seconds after their times the latest ticks were decided, at the median."""
    from celeriac.schedules.models import Tick

    recent = Tick.objects.order_by("-decided_at").values_list("scheduled_for", "decided_at")
    waits = [(decided - nominal).total_seconds() for nominal, decided in recent[:number]]
    return round(statistics.median(waits), 3) if waits else 0.0


if __name__ == "__main__":
    main(Path(sys.argv[1]), quick="--quick" in sys.argv[2:])
