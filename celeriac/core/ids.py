"""Identifiers that sort by the time they were made."""

import os
import threading
import time
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Func, Model, QuerySet, UUIDField

_lock = threading.Lock()
_last = 0


#: The same in SQL, where a server may be too old for uuidv7(): six bytes of milliseconds over
#: those of a random UUID, whose version becomes 7 (RFC 9562, section 5.7).
UUID7_SQL = """encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
    substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
    FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid"""
#: The first version of PostgreSQL that has a function for it, as the driver tells versions.
_OWN = 180000


class UUID7(Func):
    """The same from the database, for rows that SQL inserts."""

    arity = 0
    output_field = UUIDField()

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **context: Any) -> Any:
        """Use the server's own function where it has one."""
        return ("uuidv7()" if connection.pg_version >= _OWN else f"({UUID7_SQL})"), []


def uuid7() -> UUID:
    """Return a UUID of version 7, later than every one this process made before.

    RFC 9562, section 5.7, method 3: the twelve bits after the milliseconds hold
    a fraction of one, and a tie is broken by counting on.
    """
    ticks = _next_tick()
    millis, fraction = divmod(ticks, 4096)
    tail = int.from_bytes(os.urandom(8), "big") & (2**62 - 1)
    return UUID(int=millis << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail)


def read_uuid(text: object) -> UUID | None:
    """Return the id that a text names, None where it names none."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def find_row[M: Model](rows: QuerySet[M], text: object) -> M | None:
    """Return the row whose id a text names, None where there is none."""
    key = read_uuid(text)
    return rows.filter(pk=key).first() if key else None


def lowest_uuid7(moment: datetime) -> UUID:
    """Return what no UUID of version 7 that was made at that moment or later is less than."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def _next_tick() -> int:
    global _last
    with _lock:
        _last = max(time.time_ns() * 4096 // 1_000_000, _last + 1)
        return _last
