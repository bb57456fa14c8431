"""The settings: system checks, and times that must fit each other."""

from collections.abc import Iterator

from django.apps import apps
from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.utils.module_loading import import_string

from celeriac.core.check_results import CheckResult, error, ok, warning
from celeriac.settings import conf

#: Seconds between two beats of a beat.
_BEAT = 5.0


def check_settings() -> Iterator[CheckResult]:
    """Run Django's system checks, those for production too where this is none of a laptop's."""
    found = run_checks(include_deployment_checks=not settings.DEBUG)
    for message in found:
        text = str(message.msg).splitlines()[0]
        make = error if message.level >= ERROR else warning
        yield make("settings", f"{message.id}: {text}", message.hint or "See Django's manual.")
    if not found:
        yield ok("settings", "the system checks find nothing")


def check_engine() -> Iterator[CheckResult]:
    """Look at Celery's side of the wiring; how plain tasks travel is the project's own."""
    if not apps.is_installed("celeriac.schedules"):
        return  # beat is the project's own, too
    scheduler = getattr(settings, "CELERY_BEAT_SCHEDULER", "celery.beat:PersistentScheduler")
    if not str(scheduler).startswith("celeriac.celery.beat:"):
        todo = 'Set CELERY_BEAT_SCHEDULER = "celeriac.celery.beat:DatabaseScheduler".'
        yield warning(
            "settings", "beat runs another scheduler: a tick that it misses is lost", todo
        )


def check_plain_limits() -> Iterator[CheckResult]:
    """Look at the limits of this platform's plain tasks; a host's are the host's."""
    path = conf.PLAIN_TASK_LIMITS
    for says in import_string(path)() if path else ():
        todo = "Set time_limit below the visibility timeout and soft_time_limit below time_limit"
        yield warning(
            "plain tasks", says, f"{todo}: in @shared_task, or in the settings of their app."
        )


def check_times() -> Iterator[CheckResult]:
    """Look at times of which one must outlast the other."""
    if conf.SCHEDULES_BEAT_LEASE_SECONDS < 2 * _BEAT:
        says = f"SCHEDULES_BEAT_LEASE_SECONDS is under twice the {_BEAT:g} s between beats"
        yield error("settings", says, "Raise it: living beats are taken for dead.")
