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

from bench import timestamps
from bench.engine import engine
from bench.processes import wait_until
from bench.rows import Row

_ORDER = "INSERT INTO bench_order (number) VALUES (%s)"
_BATCH = 500


class Backend(Protocol):
    """What a stage does with either side."""

    def wait_for_workers(self, check: Callable[[], None]) -> None:
        """Wait until the workers take work; `check` raises where one has ended."""

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
        from bench.plain import TASKS, app

        self._app: Any = app  # the types of Celery know no replies
        self._tasks = [TASKS[kind] for kind in row.kinds]
        self._rest = ("x" * row.payload,) if row.payload else ()
        self._row = row
        channel: Any = app.connection_for_read().default_channel
        self._broker = channel.client

    def wait_for_workers(self, check: Callable[[], None]) -> None:
        """Wait until all of them answer a ping."""

        def answer() -> bool:
            check()
            return self._answers("ping")

        wait_until(answer, what="workers answer", every=0.1)

    def enqueue(self, number: int) -> int:
        """Commit the caller's row, then publish."""
        committed: list[int] = []
        with transaction.atomic():
            write_order(number, committed)
            transaction.on_commit(lambda: self._publish(number))
        return committed[0]

    def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Publish through kombu's pipeline."""
        with self._app.producer_pool.acquire(block=True) as producer:
            if not producer.supports_batch_publish:
                raise RuntimeError("The transport does not pipeline.")
            with producer.batch(max_size=_BATCH):
                for number in numbers:
                    self._publish(number, producer=producer, retry=False)

    def hold(self) -> None:
        """Have every worker stop consuming, and let the last blocking read run out."""
        self._tell("cancel_consumer")
        time.sleep(1.5)

    def release(self) -> None:
        """Have every worker consume again; the clock runs from before this call."""
        for queue in self._row.queues:
            self._app.control.add_consumer(queue)

    def is_settled(self) -> bool:
        """Say whether every message is acknowledged (results are stored before that)."""
        left = sum(self._broker.llen(queue) for queue in self._row.queues)
        return not left and not self._broker.hlen("unacked")

    def _publish(self, number: int, **options: Any) -> None:
        task = self._tasks[number % len(self._tasks)]
        task.apply_async((number, *self._rest), **options)

    def _tell(self, command: str) -> None:
        for queue in self._row.queues:
            if not self._answers(command, queue=queue):
                raise RuntimeError(f"Not every worker obeyed {command}.")

    def _answers(self, command: str, **arguments: str) -> bool:
        replies = self._app.control.broadcast(
            command, arguments=arguments, reply=True, timeout=5.0, limit=self._row.workers
        )
        return len(replies or ()) == self._row.workers


class LedgerBackend:
    """The ledger: a row in the caller's transaction."""

    def __init__(self, row: Row) -> None:
        names = engine()
        self._kinds, self._queues = row.kinds, list(row.queues)
        self._rest = {"payload": "x" * row.payload} if row.payload else {}
        self._engine = names
        self._job, self._worker, self._queue = map(names.table, ("JOB", "WORKER", "QUEUE"))

    def wait_for_workers(self, check: Callable[[], None]) -> None:
        """Wait until a worker has signed on and a dispatcher holds the queues."""
        signed_on = (
            f"SELECT /* bench */ EXISTS (SELECT FROM {self._worker} WHERE stopped_at IS NULL)"
            f" AND %s = (SELECT count(*) FROM {self._queue}"
            " WHERE name = ANY(%s) AND lease_until > now())"
        )

        def have_signed_on() -> bool:
            check()
            return _true(signed_on, len(self._queues), self._queues)

        wait_until(have_signed_on, what="worker and dispatcher have signed on", every=0.1)

    def enqueue(self, number: int) -> int:
        """Commit the caller's row and the job."""
        committed: list[int] = []
        kind = self._kinds[number % len(self._kinds)]
        with transaction.atomic():
            write_order(number, committed)
            self._engine.call("enqueue", kind, {"number": number, **self._rest})
        return committed[0]

    def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Write a thousand jobs in each statement and transaction."""
        for at, kind in enumerate(self._kinds):
            ours = [number for number in numbers if number % len(self._kinds) == at]
            for start in range(0, len(ours), 1000):
                chunk = [{"number": each, **self._rest} for each in ours[start : start + 1000]]
                self._engine.call("enqueue_many", kind, chunk)

    def hold(self) -> None:
        """Pause the queues, and let a dispatcher's round see it."""
        self._pause("statement_timestamp()")
        time.sleep(1.5)

    def release(self) -> None:
        """Resume the queues, once the dispatcher can know the kind's run time."""
        self._pause("NULL")
        self._engine.call("nudge_queues", queues=self._queues)

    def is_settled(self) -> bool:
        """Say whether every job is settled."""
        return not _true(
            f"SELECT /* bench */ EXISTS (SELECT FROM {self._job} WHERE state = 'running')"
            f" OR EXISTS (SELECT FROM {self._job} WHERE state = 'queued' AND queue = ANY(%s))",
            self._queues,
        )

    def _pause(self, moment: str) -> None:
        with connection.cursor() as cursor:
            statement = (
                f"UPDATE /* bench */ {self._queue} SET paused_at = {moment} WHERE name = ANY(%s)"
            )
            cursor.execute(statement, [self._queues])


class Nobody:
    """No side at all: what a neighbour's load has to itself."""

    def wait_for_workers(self, check: Callable[[], None]) -> None:
        """Wait for nobody."""

    def enqueue(self, number: int) -> int:
        """Run the job at once."""
        timestamps.touch(number)
        return time.monotonic_ns()

    def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Run them all at once."""
        for number in numbers:
            timestamps.touch(number)

    def hold(self) -> None:
        """Hold nothing."""

    def release(self) -> None:
        """Release nothing."""

    def is_settled(self) -> bool:
        """Say that nothing is left."""
        return True


def backend_of(row: Row) -> Backend:
    """Return the row's side; Django must be set up."""
    if not settings.configured:
        raise RuntimeError("Set Django up first.")
    sides: dict[str, Callable[[Row], Backend]] = {
        "plain": PlainBackend,
        "ledger": LedgerBackend,
        "none": lambda row: Nobody(),
    }
    return sides[row.side](row)


def write_order(number: int, committed: list[int]) -> None:
    """Write the caller's own row; its commit is noted before anything else follows it."""
    transaction.on_commit(lambda: committed.append(time.monotonic_ns()))
    with connection.cursor() as cursor:
        cursor.execute(_ORDER, [number])


def _true(statement: str, *parameters: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return bool(cursor.fetchone()[0])
