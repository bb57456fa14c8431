"""One examination: every check in turn, none of which may end the others."""

from collections.abc import Iterator, Sequence

from django.db import DatabaseError, InterfaceError, connection

from celeriac.console.doctor import broker, configuration, database, platform
from celeriac.core.findings import Check, Finding, Level, error, warning
from celeriac.core.plugins import plugins
from celeriac.monitoring.health import unapplied

#: What needs no database.
FIRST: tuple[Check, ...] = (
    configuration.checks,
    configuration.engine,
    configuration.plain_limits,
    configuration.times,
    broker.stores,
)
#: What needs nothing but a database.
SECOND: tuple[Check, ...] = (
    database.on_time,
    database.not_held_up,
    database.with_room,
    database.migrated,
)
#: What needs the tables.
THIRD: tuple[Check, ...] = (
    platform.dispatchers,
    platform.workers,
    platform.answers,
    platform.kinds,
    platform.beats,
    platform.schedules,
    platform.pauses,
    platform.circuits,
    platform.deaths,
)


def examine() -> Iterator[Finding]:
    """Yield everything that was found, in order."""
    yield from _all(FIRST)
    try:
        yield from database.reached()
    except (DatabaseError, InterfaceError) as problem:
        connection.close()
        todo = "Start it, or set DATABASE_URL right; everything waits for it."
        yield error("database", f"can't be reached: {_first_line(problem)}", todo)
        return
    yield from _all(SECOND)
    if unapplied():
        todo = "Migrate, then ask again."
        yield warning("platform", "not looked at: the tables are not up to date", todo)
        return
    yield from _all(THIRD)
    for plugin in plugins():
        yield from _all(plugin.checks)


def is_healthy(findings: Sequence[Finding]) -> bool:
    """Return whether nothing found is an error."""
    return not any(finding.level is Level.ERROR for finding in findings)


def _all(checks: Sequence[Check]) -> Iterator[Finding]:
    for check in checks:
        try:
            yield from check()
        except Exception as problem:  # what can't be looked at is a finding, too
            connection.close()
            says = f"{check.__name__} could not be looked at: {_first_line(problem)}"
            yield error(check.__module__.rpartition(".")[2], says, "Read the error; ask again.")


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
