"""Beats and schedules, in projects that have them."""

from collections.abc import Iterator

from django_celery_beat.models import PeriodicTask

from celeriac.core.check_results import CheckResult, error, ok, warning
from celeriac.schedules.api import lag_seconds, schedule_faults
from celeriac.schedules.models import Beat
from celeriac.settings import celery_app, conf

#: Schedules with a fault that are named.
MOST_NAMED = 20


def check_beats() -> Iterator[CheckResult]:
    """Look at the beats' heartbeats, and for ticks that wait for one."""
    living, needed = (
        Beat.objects.living().count(),
        PeriodicTask.objects.filter(enabled=True).exists(),
    )
    if not living and needed:
        todo = f"Start one: celery -A {celery_app()} beat."
        yield error("beat", "none lives, so nothing is fired", todo)
    else:
        says = f"{living} living" + (": any number may run, each tick fires once" * (living > 1))
        yield ok("beat", says if living or needed else "nothing is scheduled")
    late = lag_seconds()
    if living and late > conf.SCHEDULES_LATE_SECONDS:
        says = f"a tick has been due for {late:.0f} s"
        yield warning("beat", says, "Read beat's log: one schedule or the database holds it up.")


def check_schedules() -> Iterator[CheckResult]:
    """Name the schedules that can't fire, or whose job can't be made."""
    for task, fault in schedule_faults(most=MOST_NAMED):
        todo = "Change it in the admin, or deploy the code that it needs."
        why = fault.removeprefix(f"{task.name}: ")
        yield warning("schedules", f"{task.name} makes no job: {why}", todo)
