"""The two sides of the comparison: how each enqueues, waits, starts and ends.

A backlog is held back by what an operator would use: plain workers are told to
stop consuming their queue, the ledger's queue is paused. Either way the workers
(and the dispatcher) are started, warm and idle when they are let go.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from django.conf import settings
from django.db import connection, transaction

from bench.processes import wait_until
from bench.rows import QUEUE, Row
from celeriac.core import tables

_ORDER = "INSERT INTO bench_order (number) VALUES (%s)"
_BATCH = 500


class Backend(Protocol):
    """What a stage does with either side."""

    def wait_for_workers(self) -> None:
        """Wait until the workers take work."""

    def enqueue(self, number: int) -> int:
        """Commit a small transaction with one job; return when it was committed (ns)."""

    def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Add many jobs, as fast as this side can."""

    def hold(self) -> None:
        """Let no worker take work, until released."""

    def release(self) -> None:
        """Let the workers take work."""

    def is_settled(self) -> bool:
        """Say whether nothing is left to do for the jobs whose handlers have run."""


class PlainBackend:
    """Plain Celery: a message published when the transaction commits."""

    def __init__(self, row: Row) -> None:
        from bench.plain import app, touch

        self._app: Any = app  # the types of Celery know no replies
        self._task: Any = touch
        self._workers = row.workers
        channel: Any = app.connection_for_read().default_channel
        self._broker = channel.client

    def wait_for_workers(self) -> None:
        """Wait until all of them answer a ping."""
        wait_until(lambda: self._answers("ping"), what="workers answer", every=0.1)

    def enqueue(self, number: int) -> int:
        """Commit the caller's row, then publish."""
        committed: list[int] = []
        with transaction.atomic():
            _write_order(number, committed)
            transaction.on_commit(lambda: self._task.apply_async((number,)))
        return committed[0]

    def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Publish through kombu's pipeline."""
        with self._app.producer_pool.acquire(block=True) as producer:
            if not producer.supports_batch_publish:
                raise RuntimeError("The transport does not pipeline.")
            with producer.batch(max_size=_BATCH):
                for number in numbers:
                    self._task.apply_async((number,), producer=producer, retry=False)

    def hold(self) -> None:
        """Have every worker stop consuming, and let the last blocking read run out."""
        self._tell("cancel_consumer")
        time.sleep(1.5)

    def release(self) -> None:
        """Have every worker consume again; the clock runs from before this call."""
        self._app.control.add_consumer(QUEUE)

    def is_settled(self) -> bool:
        """Say whether every message is acknowledged (results are stored before that)."""
        return not self._broker.llen(QUEUE) and not self._broker.hlen("unacked")

    def _tell(self, command: str) -> None:
        done = self._answers(command, queue=QUEUE)
        if not done:
            raise RuntimeError(f"Not every worker obeyed {command}.")

    def _answers(self, command: str, **arguments: str) -> bool:
        replies = self._app.control.broadcast(
            command, arguments=arguments, reply=True, timeout=5.0, limit=self._workers
        )
        return len(replies or ()) == self._workers


class LedgerBackend:
    """The ledger: a row in the caller's transaction."""

    def __init__(self, row: Row) -> None:
        from celeriac import enqueue, enqueue_many

        self._enqueue: Callable[..., Any] = enqueue
        self._enqueue_many: Callable[..., Any] = enqueue_many
        self._kind = row.kind

    def wait_for_workers(self) -> None:
        """Wait until a worker has signed on and a dispatcher holds the queue."""
        wait_until(
            lambda: _true(
                "SELECT /* bench */ EXISTS ("
                f"SELECT FROM {tables.WORKER} WHERE stopped_at IS NULL)"
                " AND EXISTS ("
                f"SELECT FROM {tables.QUEUE} WHERE name = %s AND lease_until > now())",
                QUEUE,
            ),
            what="worker and dispatcher have signed on",
            every=0.1,
        )

    def enqueue(self, number: int) -> int:
        """Commit the caller's row and the job."""
        committed: list[int] = []
        with transaction.atomic():
            _write_order(number, committed)
            self._enqueue(self._kind, {"number": number})
        return committed[0]

    def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Write a thousand jobs in each statement and transaction."""
        for start in range(0, len(numbers), 1000):
            chunk = numbers[start : start + 1000]
            self._enqueue_many(self._kind, [{"number": number} for number in chunk])

    def hold(self) -> None:
        """Pause the queue, and let a dispatcher's round see it."""
        self._pause("statement_timestamp()")
        time.sleep(1.5)

    def release(self) -> None:
        """Resume the queue, once the dispatcher can know the kind's run time."""
        from celeriac.jobs import nudge

        self._pause("NULL")
        nudge.nudge_queues(queues=[QUEUE])

    def is_settled(self) -> bool:
        """Say whether every job is settled."""
        return not _true(
            f"SELECT /* bench */ EXISTS (SELECT FROM {tables.JOB} WHERE state = 'running')"
            f" OR EXISTS (SELECT FROM {tables.JOB} WHERE state = 'queued' AND queue = %s)",
            QUEUE,
        )

    def _pause(self, moment: str) -> None:
        with connection.cursor() as cursor:
            statement = (
                f"UPDATE /* bench */ {tables.QUEUE} SET paused_at = {moment} WHERE name = %s"
            )
            cursor.execute(statement, [QUEUE])


def backend_of(row: Row) -> Backend:
    """Return the row's side; Django must be set up."""
    if not settings.configured:
        raise RuntimeError("Set Django up first.")
    return PlainBackend(row) if row.side == "plain" else LedgerBackend(row)


def _write_order(number: int, committed: list[int]) -> None:
    """Write the caller's own row; its commit is noted before anything else follows it."""
    transaction.on_commit(lambda: committed.append(time.monotonic_ns()))
    with connection.cursor() as cursor:
        cursor.execute(_ORDER, [number])


def _true(statement: str, *parameters: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return bool(cursor.fetchone()[0])
