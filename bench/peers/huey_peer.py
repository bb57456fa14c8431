"""Huey on Redis: `huey_consumer bench.peers.huey_peer.huey --workers 2 --worker-type process`."""

import os

from huey import RedisHuey

from bench import timestamps
from bench.peers.base import Peer

huey = RedisHuey("bench", url=os.environ.get("BROKER_URL"), results=False)


@huey.task()
def touch(number: int) -> None:
    """Do nothing but say when."""
    timestamps.touch(number)


class HueyPeer(Peer):
    """Publishes after the caller's commit; what a worker has taken is no longer kept."""

    def publish(self, number: int) -> None:
        """Send one message."""
        touch(number)

    def is_settled(self) -> bool:
        """Say whether the queue is empty."""
        return not huey.pending_count()


def make() -> HueyPeer:
    """Return the peer."""
    return HueyPeer()
