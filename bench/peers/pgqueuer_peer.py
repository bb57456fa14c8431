"""PgQueuer: `python -m bench.peers.pgqueuer_peer` is one worker, with the default batch of ten."""

import asyncio
import os
import time
from collections.abc import Sequence

import psycopg
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import PsycopgDriver
from pgqueuer.models import Job

from bench import timestamps
from bench.peers.base import Peer, has_rows

_ORDER = "INSERT INTO bench_order (number) VALUES (%s)"


class PgQueuerPeer(Peer):
    """Enqueues within the caller's transaction, from a loop of its own."""

    def __init__(self) -> None:
        """Install the tables where they are missing."""
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(_connect())
        self._queries = Queries(PsycopgDriver(self._connection))

    def enqueue(self, number: int) -> int:
        """Commit the caller's row and the job."""
        return self._runner.run(self._enqueue(number))

    def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Write a thousand in each statement."""
        for start in range(0, len(numbers), 1000):
            payloads = [str(number).encode() for number in numbers[start : start + 1000]]
            names, priorities = ["touch"] * len(payloads), [0] * len(payloads)
            self._runner.run(self._queries.enqueue(names, list(payloads), priorities))

    def is_settled(self) -> bool:
        """Say whether the queue is empty: a job that has run is deleted."""
        return not has_rows("SELECT FROM pgqueuer")

    async def _enqueue(self, number: int) -> int:
        async with self._connection.transaction():
            await self._connection.execute(_ORDER, [number])
            await self._queries.enqueue("touch", str(number).encode())
        return time.monotonic_ns()


def make() -> PgQueuerPeer:
    """Return the peer."""
    return PgQueuerPeer()


async def _connect() -> "psycopg.AsyncConnection[tuple[object, ...]]":
    return await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"], autocommit=True)


async def install() -> None:
    """Make the tables anew."""
    async with await _connect() as connection:
        queries = Queries(PsycopgDriver(connection))
        if await queries.schema_is_installed():
            await queries.uninstall()
        await queries.install()


async def work() -> None:
    """Run jobs until told to end."""
    queue = PgQueuer(PsycopgDriver(await _connect()))

    @queue.entrypoint("touch")
    async def touch(job: Job) -> None:
        timestamps.touch(int(job.payload or b"0"))

    await queue.run()


if __name__ == "__main__":
    asyncio.run(work())
