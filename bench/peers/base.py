"""What all peers have in common."""

import signal
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import cast

import psutil
from django.db import connection, transaction

from bench.backends import Backend, write_order
from bench.rows import Row


class Peer:
    """A queue whose workers are held by stopping their processes: few can pause a queue."""

    def wait_for_workers(self, check: Callable[[], None]) -> None:
        """Let the workers start; the warm-up tells whether they take work."""
        check()
        time.sleep(1.0)

    def hold(self) -> None:
        """Stop the workers' processes where they are."""
        self._signal(signal.SIGSTOP)

    def release(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def enqueue(self, number: int) -> int:
        """Commit the caller's row, then publish: for those that have no part in a transaction."""
        committed: list[int] = []
        with transaction.atomic():
            write_order(number, committed)
            transaction.on_commit(lambda: self.publish(number))
        return committed[0]

    def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Publish one after the other."""
        for number in numbers:
            self.publish(number)

    def publish(self, number: int) -> None:
        """Publish one job."""
        raise NotImplementedError

    def _signal(self, number: signal.Signals) -> None:
        for process in psutil.Process().children(recursive=True):
            process.send_signal(number)


def peer_of(row: Row) -> Backend:
    """Return the peer that a row names."""
    return cast(Backend, import_module(f"bench.peers.{row.kinds[0]}_peer").make())


def has_rows(statement: str) -> bool:
    """Return whether a query finds something."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT /* bench */ EXISTS ({statement})")
        return bool(cursor.fetchone()[0])
