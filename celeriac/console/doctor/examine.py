"""One examination: every check in turn, none of which may end the others."""

from collections.abc import Iterator, Sequence

from django.apps import apps
from django.db import DatabaseError, InterfaceError, connection

from celeriac.console.doctor import broker, configuration, database, platform, routes
from celeriac.core.check_results import Check, CheckResult, Level, error, warning
from celeriac.core.plugins import plugins
from celeriac.monitoring.health import unapplied_migrations

#: What needs no database.
FIRST: tuple[Check, ...] = (
    configuration.check_settings,
    configuration.check_engine,
    configuration.check_plain_limits,
    configuration.check_times,
    database.check_others,
    broker.check_stores,
)
#: What needs nothing but a database.
SECOND: tuple[Check, ...] = (
    database.check_clock,
    database.check_transactions,
    database.check_disks,
    database.check_migrations,
)
#: What needs the tables.
THIRD: tuple[Check, ...] = (
    platform.check_dispatchers,
    platform.check_workers,
    platform.check_answers,
    platform.check_kinds,
    platform.check_pauses,
    routes.check_routes,
    platform.check_circuits,
    platform.check_stopped,
    platform.check_dead_letters,
)


def run_checks() -> Iterator[CheckResult]:
    """Yield everything that was found, in order."""
    yield from _all(FIRST)
    try:
        yield from database.check_connection()
    except (DatabaseError, InterfaceError) as problem:
        connection.close()
        todo = "Start it, or set DATABASE_URL right; everything waits for it."
        yield error("database", f"can't be reached: {_first_line(problem)}", todo)
        return
    yield from _all(SECOND)
    if unapplied_migrations():
        todo = "Migrate, then ask again."
        yield warning("platform", "not looked at: the tables are not up to date", todo)
        return
    yield from _all(THIRD)
    if apps.is_installed("celeriac.schedules"):
        from celeriac.console.doctor import schedules  # models of an app that may be left out

        yield from _all((schedules.check_beats, schedules.check_schedules))
    for plugin in plugins():
        yield from _all(plugin.checks)


def is_healthy(findings: Sequence[CheckResult]) -> bool:
    """Return whether nothing found is an error."""
    return not any(finding.level is Level.ERROR for finding in findings)


def _all(checks: Sequence[Check]) -> Iterator[CheckResult]:
    for check in checks:
        try:
            yield from check()
        except Exception as problem:  # what can't be looked at is a finding, too
            connection.close()
            says = f"{check.__name__} could not be looked at: {_first_line(problem)}"
            yield error(check.__module__.rpartition(".")[2], says, "Read the error; ask again.")


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
