"""The database: reached, migrated, on time, with room, and not held up."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections, transaction

from celeriac.core.check_results import CheckResult, error, ok, warning
from celeriac.core.clock import NOW
from celeriac.core.queries import execute, fetch_row
from celeriac.jobs.models import Worker
from celeriac.jobs.slots import slots_of_worker
from celeriac.monitoring.health import unapplied_migrations
from celeriac.settings import conf

#: Seconds that clocks may be apart, and what is too much.
SKEW, MUCH_SKEW = 1.0, 5.0

_OLDEST = """
SELECT pid, application_name, state, extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
ORDER BY xact_start LIMIT 1
"""
_CLOCKS = f"""
SELECT extract(epoch FROM clock_timestamp())::float8,
       extract(epoch FROM {NOW} - statement_timestamp())::float8
"""
_CONNECTIONS = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::int
"""


def check_connection() -> Iterator[CheckResult]:
    """Connect and ask for the version."""
    started = time.perf_counter()
    version, standby = fetch_row("SELECT current_setting('server_version'), pg_is_in_recovery()")
    execute("SELECT set_config('statement_timeout', '10000', false)")
    took = (time.perf_counter() - started) * 1000
    yield ok("database", f"PostgreSQL {version} answers in {took:.0f} ms")
    if standby:
        yield error("database", "it is a read-only standby", "Point DATABASE_URL to the primary.")


def check_others() -> Iterator[CheckResult]:
    """Say what a transaction of another database means to a job: it can't commit with it."""
    for alias in connections:
        if alias != DEFAULT_DB_ALIAS:
            yield ok(
                "databases",
                f"{alias}: no job commits with its transactions. Inside one, delay() of an adopted "
                "task writes its row once that one has committed (a process that dies between the "
                "two leaves no job), and enqueue() refuses",
            )


def check_migrations() -> Iterator[CheckResult]:
    """Compare the migrations on disk with those applied."""
    missing = unapplied_migrations()
    if missing:
        shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        yield error("migrations", f"{len(missing)} to apply: {shown}", "Run manage.py migrate.")
    else:
        yield ok("migrations", "all applied")


def check_clock() -> Iterator[CheckResult]:
    """Compare this host's clock with the database's; the trip there and back blurs it."""
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute(_CLOCKS)
        after = time.time()
        theirs, offset = cursor.fetchone()
    yield judge_clock("the database", theirs - (before + after) / 2, (after - before) / 2)
    if offset:
        todo = "Reset celeriac.clock_offset, in the database's settings or in PGOPTIONS."
        yield error("clock", f"the ledger's clock is set off by {offset:g} s, as tests do", todo)


def judge_clock(whose: str, skew: float, blur: float) -> CheckResult:
    """Return what a skew in seconds, known within `blur`, amounts to."""
    says = f"{whose} is {abs(skew):.3f} s {'ahead of' if skew > 0 else 'behind'} this host"
    todo = "Let every host keep time by NTP (chronyc tracking, timedatectl)."
    if abs(skew) - blur > MUCH_SKEW:
        return error("clock", says, todo)
    if abs(skew) - blur > SKEW:
        return warning("clock", says, todo)
    return ok("clock", says)


def check_transactions() -> Iterator[CheckResult]:
    """Look for old transactions and a crowd of connections."""
    row, (used, most) = fetch_row(_OLDEST), fetch_row(_CONNECTIONS)
    if row is not None and row[3] > conf.DOCTOR_TRANSACTION_SECONDS:
        pid, name, state, seconds = row
        yield warning(
            "transactions",
            f"process {pid} ({name or 'unnamed'}, {state}) has been in one for {seconds:.0f} s",
            f"Dead rows can't be removed meanwhile: find out what it does, or end it with "
            f"SELECT pg_terminate_backend({pid}).",
        )
    else:
        yield ok("transactions", "none is old")
    says, needed = f"{used} of {most} used", workers_connections()
    if used > most * conf.DOCTOR_CONNECTIONS_SHARE:
        yield warning("connections", says, "Raise max_connections, or put PgBouncer in front.")
    elif needed > most:
        says = f"{says}; the living workers' slots may take {needed}"
        yield warning("connections", says, "Give the queues fewer slots, or raise max_connections.")
    else:
        yield ok("connections", says)


def workers_connections() -> int:
    """Return the most connections that living workers have: each parent's, and its children's."""
    total = 0
    for worker in Worker.objects.living():
        slots = slots_of_worker(worker.queues, worker.slots)
        total += 1 + worker.slots // slots.width * slots.connections
    return total


def check_disks() -> Iterator[CheckResult]:
    """Look at the database's disk where it is this host's, and at the slots' disk."""
    (size,) = fetch_row("SELECT pg_size_pretty(pg_database_size(current_database()))")
    place = _data_directory()
    if place is None:
        yield ok("disk", f"the database takes {size}; its disk can't be seen from here, watch it")
    else:
        yield judge_free_space(f"the database ({size})", place)
    yield judge_free_space("the workers' journals", Path(conf.SLOT_DIRECTORY))


def judge_free_space(what: str, place: Path) -> CheckResult:
    """Return what the free room of a disk amounts to; of a folder yet to be made, its parent's."""
    there = next(each for each in (place, *place.absolute().parents) if each.exists())
    usage = shutil.disk_usage(there)
    share = usage.free / usage.total
    says = f"{what}: {share:.0%} free ({usage.free / 1e9:.1f} GB)"
    todo = "Make space: prune sooner (RETENTION_DAYS), or grow the disk. See the runbook."
    if share < conf.DOCTOR_DISK_SHARE / 3:
        return error("disk", says, todo)
    return warning("disk", says, todo) if share < conf.DOCTOR_DISK_SHARE else ok("disk", says)


def _data_directory() -> Path | None:
    """Return where the server keeps its data, if it says so and the path is this host's."""
    host = str(connection.settings_dict["HOST"])
    if host and not host.startswith("/") and host not in ("localhost", "127.0.0.1", "::1"):
        return None
    try:
        with transaction.atomic():
            place = Path(fetch_row("SHOW data_directory")[0])
        return place if (place / "base").is_dir() else None
    except (DatabaseError, OSError):  # not a role that may know, or a folder that we may not see
        return None
