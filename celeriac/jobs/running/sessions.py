"""What a handler leaves behind on this thread's connections, and how the next job is spared it.

Between two jobs nothing asks the database: what psycopg and Django know is compared
with how the run found it, and a cursor of ours notes when a statement may have changed
the session. Then the session is set back, in one message that keeps its prepared
statements; a connection that can't be set back is thrown away.
"""

import contextlib
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.rows import tuple_row

#: DISCARD ALL, but for the prepared statements and their plans; how many of them are a handler's.
_RESET = (
    b"CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *;"
    b" SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES;"
    b" SELECT count(*) FROM pg_prepared_statements WHERE from_sql"
)
#: How a statement begins that leaves the session as it was.
_PLAIN = {
    *("select", "insert", "update", "delete", "merge", "with", "values", "table", "copy", "show"),
    *("explain", "fetch", "move", "close", "lock", "begin", "start", "commit", "end", "rollback"),
    *("abort", "savepoint", "release", "notify", "truncate", "create", "alter", "drop", "comment"),
    *("grant", "revoke", "analyze", "vacuum", "refresh", "reindex", "cluster"),
}
_WORD = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(\w+)", re.DOTALL)
#: What is bounded by its transaction.
_LOCAL = re.compile(r"\s*set\s+(?:local|transaction|constraints)\b", re.IGNORECASE)
#: What changes a session, wherever it stands; and a second statement behind the first.
_CHANGES = re.compile(
    r"\bset_config\"?\s*\((?![^()]*,\s*true\s*\))|advisory_(?:un)?lock|\bpg_temp|\btemp(?:orary)?\b"
    r"|\bwith\s+hold\b|;\s*\S",
    re.IGNORECASE,
)


class _Seen(threading.local):
    """What was seen in a thread: in each of them another job may run."""

    def __init__(self) -> None:
        #: Raw connections whose session a statement may have changed.
        self.changed: list[psycopg.Connection] = []
        #: Those that were closed with a transaction open, which rolled it back.
        self.abandoned: list[psycopg.Connection] = []
        #: The thread's connections, as `_mine` found them, at that many changes of them all.
        self.found: Sequence[BaseDatabaseWrapper] = ()
        self.found_at = -1


_seen = _Seen()
#: How many connections were made, in any thread.
_made = 0
#: Statements that were looked at, and change nothing.
_harmless: set[str] = set()
_SEEN, _LONG = 2000, 4000
_is_noting = False


def changes_session(statement: str) -> bool:
    """Say whether a statement may change its session beyond its transaction.

    A function's body can't be seen: what it sets, it should set for its transaction.
    """
    if _CHANGES.search(statement):
        return True
    found = _WORD.match(statement)
    word = found[1].lower() if found else ""
    return bool(word) and word not in _PLAIN and not _LOCAL.match(statement)


class _Noting:
    """Of a cursor: notes statements that may change the session."""

    connection: Any

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Execute, as psycopg does."""
        if query not in _harmless if type(query) is str else True:
            _note(self.connection, query)
        return super().execute(query, *args, **options)  # type: ignore[misc] # a cursor's

    def executemany(self, query: Any, *args: Any, **options: Any) -> Any:
        """Execute for each, as psycopg does."""
        _note(self.connection, query)
        return super().executemany(query, *args, **options)  # type: ignore[misc] # a cursor's

    def stream(self, query: Any, *args: Any, **options: Any) -> Any:
        """Yield rows as they come, as psycopg does."""
        _note(self.connection, query)
        return super().stream(query, *args, **options)  # type: ignore[misc] # a cursor's


class _NotingNamed:
    """Of a cursor on the server: notes one that outlives its transaction."""

    connection: Any
    withhold: bool

    def execute(self, *args: Any, **options: Any) -> Any:
        """Execute, as psycopg does."""
        if self.withhold:
            _seen.changed.append(self.connection)
        return super().execute(*args, **options)  # type: ignore[misc] # a cursor's


def _noting_end(plain: type[psycopg.Connection]) -> type[psycopg.Connection]:
    """Return a class of connections that notes a transaction which ends because it is closed."""

    def close(self: psycopg.Connection) -> None:
        if self.pgconn.transaction_status == TransactionStatus.INTRANS:
            _seen.abandoned.append(self)
        plain.close(self)

    # No mixin: an object takes another class only where that adds nothing to its layout.
    return type(plain.__name__, (plain,), {"close": close})


def _note(raw: psycopg.Connection, query: Any) -> None:
    text = query if isinstance(query, str) else _text(query, raw)
    if changes_session(text):
        _seen.changed.append(raw)
    elif len(text) < _LONG and type(query) is str:
        if len(_harmless) >= _SEEN:
            _harmless.clear()
        _harmless.add(text)


def _text(query: Any, raw: psycopg.Connection) -> str:
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    if hasattr(query, "as_string"):
        return str(query.as_string(raw))
    return "; of a form that is not known"  # so it is taken for two statements


def _start_noting() -> None:
    global _is_noting
    _is_noting = True
    # A connection that a handler opens is one that nobody else here knows of.
    connection_created.connect(_equip, dispatch_uid="celeriac.jobs.running.sessions")
    for each in connections.all(initialized_only=True):
        _equip(each)


#: Classes of psycopg's and Django's, and ours that stand in for them.
_stand_ins: dict[type, type] = {}


def _mine() -> Sequence[BaseDatabaseWrapper]:
    """Return this thread's connections; Django's own look costs more than the rest of ours."""
    if _seen.found_at != _made:  # whoever makes a connection, in any thread
        _seen.found_at = _made
        _seen.found = connections.all(initialized_only=True)
    return _seen.found


def _equip(connection: BaseDatabaseWrapper, **_: object) -> None:
    global _made
    _made += 1
    raw = connection.connection
    if isinstance(raw, psycopg.Connection) and not issubclass(raw.cursor_factory, _Noting):
        raw.cursor_factory = _stand_in(raw.cursor_factory, _Noting)
        raw.server_cursor_factory = _stand_in(raw.server_cursor_factory, _NotingNamed)
        if type(raw) not in _stand_ins:
            _stand_ins[type(raw)] = _noting_end(type(raw))
        raw.__class__ = _stand_ins[type(raw)]


def _stand_in(plain: type, noting: type) -> Any:
    if plain not in _stand_ins:
        _stand_ins[plain] = type(f"Noting{plain.__name__}", (noting, plain), {})
    return _stand_ins[plain]


_CLEAN, _UNTIDY, _OPEN = range(3)


#: How most runs find their connections.
_NONE_OPEN: frozenset[str] = frozenset()
_NOTHING_WRAPPED: Mapping[str, list[Any]] = {}
_NO_WRAPPERS: list[Any] = []


@dataclass(slots=True)
class ConnectionsBefore:
    """This thread's connections as a run found them."""

    ledger: psycopg.Connection | None = None
    #: Databases with an atomic block open already: a test's own.
    open: frozenset[str] = _NONE_OPEN
    wrappers: Mapping[str, list[Any]] = field(default_factory=lambda: _NOTHING_WRAPPED)
    _worst: int = _CLEAN

    def left_open(self) -> bool:
        """Say whether a transaction is open that was not before; looks at each once."""
        worst = _OPEN if _seen.abandoned else _CLEAN
        for each in _mine():
            alias = each.alias
            if each.connection is not None and alias not in self.open:
                worst = max(worst, _state(each))
            if each.execute_wrappers != self.wrappers.get(alias, _NO_WRAPPERS):
                worst = max(worst, _UNTIDY)
        self._worst = worst
        return worst == _OPEN

    def restore(self, error: BaseException | None, *, cut: bool) -> None:
        """Set back what a run changed, after `left_open` or with the error that it ended with.

        `cut` says that something ended it amid a statement.
        """
        if error is None and not self._worst and not _seen.changed:
            return
        for each in connections.all(initialized_only=True):
            each.execute_wrappers[:] = self.wrappers.get(each.alias, [])
            raw = each.connection
            if each.alias in self.open or raw is None:
                continue  # a test's own transaction, or nothing to tidy
            if cut or _state(each) != _CLEAN or (raw in _seen.changed and not _reset(each)):
                discard_connection(each)
        _seen.changed.clear()

    def throw_away(self, each: BaseDatabaseWrapper) -> None:
        """Close a connection, unless it has a test's own transaction open."""
        if each.alias not in self.open:
            discard_connection(each)


def look_at_connections() -> ConnectionsBefore:
    """Return this thread's connections as they are, before a run."""
    if not _is_noting:
        _start_noting()
    _seen.changed.clear()
    _seen.abandoned.clear()
    before = ConnectionsBefore()
    for each in _mine():
        if each.alias == DEFAULT_DB_ALIAS:
            before.ledger = each.connection
        if each.in_atomic_block:
            before.open |= {each.alias}
        if each.execute_wrappers:
            before.wrappers = {**before.wrappers, each.alias: list(each.execute_wrappers)}
    return before


def discard_connection(each: BaseDatabaseWrapper) -> None:
    """Close a connection, whatever state it is in; Django makes a new one when it is needed."""
    each.in_atomic_block = False  # or it could never be opened again
    with contextlib.suppress(Exception):  # what is broken may fail to close, too
        if each.connection is not None:
            each.connection.close()  # itself: a pool would hand it to the next
        each.close()
    each.connection = None
    each.closed_in_transaction = False


def is_clean(each: BaseDatabaseWrapper) -> bool:
    """Say whether nothing is left on a connection of what this thread did with it."""
    return _state(each) == _CLEAN and each.connection not in _seen.changed


def _state(each: BaseDatabaseWrapper) -> int:
    raw = each.connection
    if not isinstance(raw, psycopg.Connection):
        return _OPEN if each.in_atomic_block or not each.autocommit else _CLEAN
    if each.in_atomic_block or raw.pgconn.transaction_status != TransactionStatus.IDLE:
        return _UNTIDY if raw.closed and not each.in_atomic_block else _OPEN
    is_own = raw.autocommit and raw.row_factory is tuple_row and raw.read_only is None
    is_own = is_own and raw.deferrable is None and issubclass(raw.cursor_factory, _Noting)
    return _CLEAN if is_own and _isolation(each) == raw.isolation_level else _UNTIDY


def _isolation(each: BaseDatabaseWrapper) -> Any:
    """Return the level that Django gives a connection: the one of its options."""
    return each.settings_dict["OPTIONS"].get("isolation_level")


def _reset(each: BaseDatabaseWrapper) -> bool:
    """Set a session back to how Django made it; return whether that worked."""
    if getattr(each, "pool", None):
        return False  # Django sets nothing back on what a pool owns
    try:
        result = each.connection.pgconn.exec_(_RESET)
        if result.status != ExecStatus.TUPLES_OK or result.get_value(0, 0) != b"0":
            return False
        each.init_connection_state()  # the time zone and the role of Django's settings
    except Exception:  # any at all: then a new connection is the way
        return False
    return True
