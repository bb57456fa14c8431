"""The database connections of a process that runs many jobs: lent to a run, and bounded.

It stands where Django expects psycopg's own pool. That one has threads, and after an outage waits
longer and longer before it connects again; here who needs a connection makes it.
"""

import select
import threading
import time
from typing import Any

import psycopg
from django.db import connections
from psycopg.pq import TransactionStatus

#: Seconds that somebody waits for a connection of others, and for which one is kept unused.
PATIENCE, KEPT = 30.0, 30.0


class NoConnection(psycopg.OperationalError):
    """A run could not connect: what it would have broken it never had."""


class NoConnectionFree(NoConnection):
    """Others of this process had all its connections for too long."""


class BoundedConnections:
    """Up to `most` connections to one database, lent and given back."""

    close_returns = False

    def __init__(self, alias: str, most: int) -> None:
        self.alias = alias
        self.most = most
        self._lent: set[psycopg.Connection] = set()
        self._connecting = 0
        self._unused: list[tuple[float, psycopg.Connection]] = []
        self._changed = threading.Condition()

    def open(self) -> None:
        """Django asks for it before each loan."""

    def getconn(self) -> psycopg.Connection:
        """Lend a connection; NoConnection where none can be made, or others keep all of them."""
        with self._changed:
            if not self._changed.wait_for(self._has_room, timeout=PATIENCE):
                raise NoConnectionFree(
                    f"none of the {self.most} connections of this process was free within"
                    f" {PATIENCE:g} s"
                )
            if (raw := self._take_unused()) is not None:
                self._lent.add(raw)
                return raw
            self._connecting += 1
        try:
            raw = self._connect()
        except BaseException:
            raw = None
            raise
        finally:
            with self._changed:
                self._connecting -= 1
                if raw is not None:
                    self._lent.add(raw)
                self._changed.notify()
        return raw

    def putconn(self, raw: psycopg.Connection) -> None:
        """Take one back; what is not as it was lent is closed."""
        is_idle = not raw.closed and raw.pgconn.transaction_status == TransactionStatus.IDLE
        if not is_idle:
            raw.close()
        with self._changed:
            if raw in self._lent and is_idle:
                self._unused.append((time.monotonic(), raw))
            self._lent.discard(raw)
            self._changed.notify()
        self._close_old()

    def close(self) -> None:
        """Close what is not lent."""
        with self._changed:
            unused, self._unused = self._unused, []
        for _, raw in unused:
            raw.close()

    def _has_room(self) -> bool:
        self._lent = {raw for raw in self._lent if not raw.closed}  # some are closed, not returned
        return len(self._lent) + self._connecting < self.most

    def _take_unused(self) -> psycopg.Connection | None:
        while self._unused:
            _, raw = self._unused.pop()
            if not raw.closed and not _has_news(raw):
                return raw
            raw.close()  # its server has ended it
        return None

    def _connect(self) -> psycopg.Connection:
        wrapper: Any = connections[self.alias]
        make: Any = psycopg.connect
        try:
            raw: psycopg.Connection = make(
                **{**wrapper.get_connection_params(), "autocommit": True}
            )
        except psycopg.OperationalError as error:
            raise NoConnection(f"{error}") from error
        raw._pool = self  # type: ignore[assignment] # Django looks there for who takes it back
        wrapper._configure_connection(raw)
        return raw

    def _close_old(self) -> None:
        """Close what nobody has needed for a while: the oldest stand first."""
        with self._changed:
            since = time.monotonic() - KEPT
            old = [raw for at, raw in self._unused if at < since]
            self._unused = self._unused[len(old) :]
        for raw in old:
            raw.close()


def _has_news(raw: psycopg.Connection) -> bool:
    """Whether there is something to read on an idle connection: its end, as a rule."""
    return bool(select.select([raw.pgconn.socket], [], [], 0)[0])


def bound_connections(most: int) -> None:
    """Let this process have no more than `most` connections to each database, from now on."""
    for alias in connections:
        wrapper: Any = connections[alias]
        if wrapper.vendor != "postgresql" or wrapper.settings_dict["OPTIONS"].get("pool"):
            continue  # it has a pool of its own
        wrapper.close()
        wrapper.settings_dict["OPTIONS"]["pool"] = True
        type(wrapper)._connection_pools[alias] = BoundedConnections(alias, most)
