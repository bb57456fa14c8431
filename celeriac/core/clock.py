"""The one clock of the ledger: the database's.

All SQL that decides something takes the time from `NOW`. It is the statement's
start (`now()` would stand still in a transactional handler) plus an offset that
only tests set, as the session or database setting `celeriac.clock_offset`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import DateTimeField, Func

from celeriac.core.queries import execute, fetch_row

NOW = (
    "(statement_timestamp()"
    " + coalesce(nullif(current_setting('celeriac.clock_offset', true), ''), '0')::interval)"
)


class Now(Func):
    """`NOW` for the ORM."""

    template = NOW
    output_field = DateTimeField()


def db_now() -> datetime:
    """Return the ledger's time, from the database."""
    moment: datetime = fetch_row(f"SELECT {NOW}")[0]
    return moment


def moment_ahead(seconds: float | None) -> datetime | None:
    """Return the moment so many seconds from now, by the ledger's clock; None for None."""
    return None if seconds is None else db_now() + timedelta(seconds=seconds)


@contextmanager
def offset_clock(delta: timedelta) -> Iterator[None]:
    """Shift the clock of this connection by `delta`: for tests only."""
    before = fetch_row("SELECT current_setting('celeriac.clock_offset', true)")[0] or ""
    _set(f"{delta.total_seconds()} seconds")
    try:
        yield
    finally:
        _set(before)


def _set(value: str) -> None:
    execute("SELECT set_config('celeriac.clock_offset', %s, false)", [value])
