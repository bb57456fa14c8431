"""Adding what processes counted to the totals in the database, every few seconds.

Web and commands have a thread for it, which begins with the first count and ends with the
process; dispatcher and beat publish in their loops; the parent of a worker publishes with its
heartbeat, for its children too. Nothing is ever counted twice: what was sent when the connection
broke counts as told.
"""

import atexit
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import DatabaseError, InterfaceError, connection

from celeriac.core import tables
from celeriac.core.counting.counters import Series, process
from celeriac.core.counting.shared_memory import Collector
from celeriac.core.database_errors import is_away
from celeriac.core.queries import execute
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Rows are taken in order, and each for a moment only: many processes add to the same ones.
ADD = f"""
WITH bound AS MATERIALIZED (SELECT set_config('lock_timeout', %s, true))
INSERT INTO {tables.COUNTER} AS total (series, cells)
SELECT series, cells FROM bound, json_to_recordset(%s) AS news (series text, cells bigint[])
ORDER BY series
ON CONFLICT (series) DO UPDATE SET cells = (
    SELECT array_agg(coalesce(one, 0) + coalesce(other, 0) ORDER BY place)
    FROM unnest(total.cells, excluded.cells) WITH ORDINALITY AS pair(one, other, place)
)
"""
#: Errors that leave open what became of a statement: the server, or the way to it, went.
_UNKNOWN = ("08", "57P")


class TotalsPublisher:
    """Gathers what this process and its children counted, and writes it."""

    def __init__(self, folder: Path | None = None, *, patience: float = 2.0) -> None:
        """Gather from `folder` too; wait for a lock of others' for `patience` seconds at most."""
        self._patience = patience
        self._collector = Collector(folder) if folder else None
        self.pending: dict[Series, list[int]] = {}

    def publish(self) -> None:
        """Add the news to the totals; raises database errors, and may be called again after one."""
        self.gather()
        if not self.pending:
            return
        connection.ensure_connection()  # what fails here was not sent
        sent, self.pending = self.pending, {}
        try:
            write_totals(sent, patience=self._patience)
        except (DatabaseError, InterfaceError) as error:
            if not _may_have_happened(error):
                self._put_back(sent)
            raise

    def gather(self) -> None:
        """Take the news from where it was counted."""
        self._put_back(process.take())
        for news in self._collector.collect() if self._collector else ():
            self._put_back(news)

    def _put_back(self, news: dict[Series, list[int]]) -> None:
        for series, values in news.items():
            known = self.pending.get(series, [0] * len(values))
            self.pending[series] = [a + b for a, b in zip(known, values, strict=True)]


def write_totals(news: dict[Series, list[int]], *, patience: float = 2.0) -> None:
    """Add `news` to the totals, in one statement that waits `patience` seconds for a lock."""
    rows = [
        {"series": json.dumps(series, separators=(",", ":")), "cells": values}
        for series, values in news.items()
    ]
    execute(ADD, [f"{patience * 1000:.0f}ms", json.dumps(rows)])


def _may_have_happened(error: Exception) -> bool:
    """Whether the statement was under way when its answer got lost."""
    state: Any = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(_UNKNOWN)


class _Thread:
    """The one thread of this process that publishes, on a connection that it closes each time."""

    def __init__(self) -> None:
        self._publisher = TotalsPublisher()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless it has."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="celeriac-counts", daemon=True)
            self._thread.start()
            atexit.register(self.stop)

    def stop(self) -> None:
        """Publish what is left; at the end of the process."""
        self._stopped.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout=5)

    def forget(self) -> None:
        """A fork has no such thread."""
        atexit.unregister(self.stop)
        self.__init__()  # type: ignore[misc] # the same object, as new

    def _run(self) -> None:
        quiet = False
        while not quiet:
            quiet = self._stopped.wait(conf.METRICS_PUBLISH_SECONDS)
            try:
                self._publisher.publish()
            except Exception as error:  # the counts wait for the next time
                logger.warning("what was counted could not be published: %s", error)
            finally:
                connection.close()


_thread = _Thread()
os.register_at_fork(after_in_child=_thread.forget)


def publish_by_thread() -> None:
    """Have this process publish in a thread of its own once it counts."""
    process.on_first = _thread.start


def publish_by_hand() -> None:
    """Leave publishing to whoever holds a Publisher: a worker's parent has one."""
    process.on_first = None


def publish_in_loop() -> Callable[[], None]:
    """Return what the loop of this process calls every few seconds, in the thread's place.

    It uses the loop's own connection, hardly waits for a lock, and raises where the database is
    away. Where nobody publishes it does nothing.
    """
    if process.on_first is None:
        return lambda: None
    publish_by_hand()
    publisher = TotalsPublisher(patience=0.1)

    def publish() -> None:
        try:
            publisher.publish()
        except Exception as error:  # the counts wait for the next time
            if is_away(error):
                raise
            logger.warning("what was counted could not be published: %s", error)

    return publish
