"""Procrastinate: `python -m bench.peers.procrastinate_peer` is one worker of one job at a time."""

import os
from collections.abc import Sequence
from itertools import batched

import procrastinate

from bench import timestamps
from bench.peers.base import Peer, has_rows

_ENDED = "SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ.get("DATABASE_URL", ""))
)


@app.task(name="touch")
async def touch(number: int) -> None:
    """Do nothing but say when."""
    timestamps.touch(number)


class ProcrastinatePeer(Peer):
    """Publishes after the caller's commit, on a connection of its own pool."""

    def __init__(self) -> None:
        """Open the pool."""
        app.open()

    def publish(self, number: int) -> None:
        """Write one job."""
        touch.defer(number=number)

    def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Write a thousand in each statement."""
        for chunk in batched(numbers, 1000):
            touch.batch_defer(*({"number": number} for number in chunk))

    def is_settled(self) -> bool:
        """Say whether nothing is left to do."""
        return not has_rows(_ENDED)


def make() -> ProcrastinatePeer:
    """Return the peer."""
    return ProcrastinatePeer()


async def install() -> None:
    """Make the tables."""
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


if __name__ == "__main__":
    app.run_worker(concurrency=1)
