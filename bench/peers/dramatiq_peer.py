"""Dramatiq on Redis: `dramatiq bench.peers.dramatiq_peer --processes 2 --threads 1`."""

import os

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from bench import timestamps
from bench.peers.base import Peer

broker = RedisBroker(url=os.environ.get("BROKER_URL"))
dramatiq.set_broker(broker)


@dramatiq.actor
def touch(number: int) -> None:
    """Do nothing but say when."""
    timestamps.touch(number)


class DramatiqPeer(Peer):
    """Publishes after the caller's commit."""

    def __init__(self) -> None:
        """Look at the broker on a connection of its own."""
        self._broker = redis.Redis.from_url(os.environ["BROKER_URL"])

    def publish(self, number: int) -> None:
        """Send one message."""
        touch.send(number)

    def is_settled(self) -> bool:
        """Say whether every message is acknowledged."""
        return not self._broker.hlen("dramatiq:default.msgs")


def make() -> DramatiqPeer:
    """Return the peer."""
    return DramatiqPeer()
