"""Reads and writes the database for breakers, from a thread with its own connection.

A breaker works outside its caller's transaction: what it writes must survive the
caller's rollback, and a slow, locked or absent database must never fail the call
or hold it up for longer than the caller is willing to wait. So the work is done
by one thread per process, which starts when there is work and ends, with its
connection, soon after there is none.
"""

import copy
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import OperationalError, load_backend

from celeriac.core.database_errors import is_away

logger = logging.getLogger(__name__)

Rows = list[tuple[Any, ...]]

#: Seconds.
LINGER = 0.05
MUTE = 2.0
#: Writes that wait for a database that is away.
BACKLOG = 200

_LIMITS = "SET LOCAL lock_timeout = '250ms'; SET LOCAL statement_timeout = '1s'"


class Statement:
    """One statement to run, and where its rows will be."""

    def __init__(self, sql: str, params: Callable[[], Any], *, lasting: bool) -> None:
        self.sql = sql
        self.params = params
        self.lasting = lasting
        self.done = threading.Event()
        self.rows: Rows | None = None


class DatabaseWriter:
    """Runs statements in order. Thread-safe; never raises into its caller."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._errands: deque[Statement] = deque()
        self._thread: threading.Thread | None = None
        self._muted_until = 0.0

    @property
    def busy(self) -> bool:
        """Whether there is work left, or a connection open."""
        return self._thread is not None

    def ask(self, sql: str, params: Sequence[Any] | dict[str, Any], *, wait: float) -> Rows | None:
        """Run a statement and return its rows; None when they did not come in `wait` seconds."""
        if time.monotonic() < self._muted_until:
            return None
        return self._hand_over(Statement(sql, lambda: params, lasting=False), wait)

    def write(self, sql: str, params: Callable[[], Any], *, wait: float = 0.0) -> bool:
        """Write, now or when the database is back; return whether it was done in `wait` seconds.

        `params` is called when the statement runs.
        """
        return self._hand_over(Statement(sql, params, lasting=True), wait) is not None

    def _hand_over(self, statement: Statement, wait: float) -> Rows | None:
        with self._lock:
            if len(self._errands) >= BACKLOG:
                logger.error("The database is away and the breakers' backlog is full.")
                return None
            self._errands.append(statement)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="breakers", daemon=True)
                self._thread.start()
            self._lock.notify()
        if wait and time.monotonic() >= self._muted_until:
            statement.done.wait(wait)
        return statement.rows

    def _work(self) -> None:
        connection: BaseDatabaseWrapper | None = None
        while (statement := self._next()) is not None:
            try:
                connection = connection or _open()
                statement.rows = _run(connection, statement)
            except Exception as error:
                # A statement that waited too long is no outage, but worth another try as well.
                if is_away(error) or isinstance(error, OperationalError):
                    self._postpone(statement, error)
                else:
                    logger.exception("A breaker's statement failed.")
                _close(connection)
                connection = None
            statement.done.set()
        _close(connection)

    def _next(self) -> Statement | None:
        """Return the next statement, or None when the thread shall end."""
        with self._lock:
            while (pause := self._muted_until - time.monotonic()) > 0 and self._errands:
                self._lock.wait(pause)
            if not self._errands:
                self._lock.wait(LINGER)
            if self._errands:
                return self._errands.popleft()
            self._thread = None
            return None

    def _postpone(self, statement: Statement, error: Exception) -> None:
        """Keep a write for later, and leave the database alone for a while."""
        logger.warning("The database did not take a breaker's statement: %s", error)
        with self._lock:
            self._muted_until = time.monotonic() + MUTE
            waiting = [statement, *self._errands]
            self._errands = deque(item for item in waiting if item.lasting)
        for item in waiting:
            if not item.lasting:
                item.done.set()


def _open() -> BaseDatabaseWrapper:
    """Return a connection of our own: not the caller's, and not from a pool."""
    settings = copy.deepcopy(connections.settings[DEFAULT_DB_ALIAS])
    settings["OPTIONS"] = {
        name: value for name, value in settings["OPTIONS"].items() if name != "pool"
    } | {"connect_timeout": 2, "application_name": "celeriac-breakers"}
    wrapper: BaseDatabaseWrapper = load_backend(settings["ENGINE"]).DatabaseWrapper(
        settings, DEFAULT_DB_ALIAS
    )
    wrapper.ensure_connection()  # unlike connect(), it raises Django's errors
    return wrapper


def _run(connection: BaseDatabaseWrapper, statement: Statement) -> Rows:
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute(_LIMITS)
        cursor.execute(statement.sql, statement.params())
        rows = cursor.fetchall() if cursor.description else []
    connection.commit()
    connection.set_autocommit(True)
    return rows


def _close(connection: BaseDatabaseWrapper | None) -> None:
    if connection is not None:
        try:
            connection.close()
        except Exception:
            logger.debug("A breaker's connection could not be closed.", exc_info=True)


_scribe = DatabaseWriter()


def get_writer() -> DatabaseWriter:
    """Return this process's writer."""
    return _scribe


def _after_fork() -> None:
    """A forked child has neither the parent's thread nor its connection."""
    global _scribe
    _scribe = DatabaseWriter()


os.register_at_fork(after_in_child=_after_fork)
