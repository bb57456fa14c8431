"""What is noted of a call: its line, its size, and the transaction that it was made in."""

import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from kombu.utils.json import dumps

_MACHINERY = ("celery", "kombu", "celeriac", "django")
_XID = "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_xact_id()::text END"


def call_site() -> str:
    """Return the project's own line that called: `acme/views.py:12 checkout`."""
    frame: FrameType | None = sys._getframe(1)
    places = _machinery()
    while frame is not None and frame.f_code.co_filename.startswith(places):
        frame = frame.f_back
    if frame is None:
        return ""
    file = Path(frame.f_code.co_filename)
    base = Path(getattr(settings, "BASE_DIR", "") or Path.cwd())
    name = file.relative_to(base) if file.is_relative_to(base) else file
    return f"{name}:{frame.f_lineno} {frame.f_code.co_qualname}"[:500]


@cache
def _machinery() -> tuple[str, ...]:
    places = (Path(str(import_module(name).__file__)).parent for name in _MACHINERY)
    return tuple(f"{place}/" for place in places)


def size_of(body: Any) -> int | None:
    """Return how many bytes a call's arguments take; None where they can't be told."""
    try:
        args, kwargs, *_ = body
        return len(dumps([args, kwargs]).encode())
    except Exception:  # pickled ones, or a protocol that has none
        return None


def open_transaction() -> tuple[int | None, bool, bool | None]:
    """Return the open transaction's number, whether a savepoint lies above it, and its end.

    The end is False where it can only roll back, else None. It writes nothing.
    """
    if not connection.in_atomic_block or connection.vendor != "postgresql":
        return None, False, None
    if connection.needs_rollback:
        return None, False, False
    with connection.cursor() as cursor:
        cursor.execute(_XID)
        xid = cursor.fetchone()[0]
    return (int(xid) if xid else None), bool(connection.savepoint_ids), None


def when_ended(tell: Any) -> None:
    """Have `tell(committed)` called after the commit: False where a savepoint was rolled back."""
    kept: list[bool] = []

    def own() -> None:
        kept.append(True)
        tell(True)

    def above() -> None:
        if not kept:
            tell(False)

    transaction.on_commit(own, robust=True)
    # Of no savepoint: Django drops it only where the whole transaction rolls back.
    hooks: Any = connection.run_on_commit
    hooks.append((set(), above, True))
