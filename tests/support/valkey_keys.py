"""Keys that a test leaves in Valkey."""

import contextlib
import os

import redis

from tests.support.servers import Running

#: How many keys a message names.
SHOWN = 5


def leftovers():
    """Yield what is left in Valkey, in words, and empty it for the next test."""
    if Running.valkey is None:
        return
    if not Running.valkey.is_running:
        Running.valkey.start()
        yield "Valkey, stopped"
    try:
        used = client().info("keyspace")
    except redis.RedisError as error:
        Running.valkey.resume()
        yield f"Valkey, which does not answer: {error}"
        used = client().info("keyspace")
    for database in used:
        number = int(database.removeprefix("db"))
        with redis.Redis.from_url(Running.valkey.url(number)) as one:
            names = sorted(one.scan_iter(count=1000))
        shown = ", ".join(name.decode(errors="replace") for name in names[:SHOWN])
        yield f"{len(names)} keys in Valkey's database {number}: {shown}"
    if used:
        client().flushall()


def empty():
    """Empty Valkey as the test database is emptied: code under test writes where it likes.

    What comes after that is a leftover, and so is a server that does not answer.
    """
    with contextlib.suppress(redis.RedisError):
        if Running.valkey is not None and client().info("keyspace"):
            client().flushall()


def client():
    """Return this process's client."""
    if not _clients:
        url = os.environ["BROKER_URL"]
        _clients.append(redis.Redis.from_url(url, socket_timeout=2))
    return _clients[0]


_clients = []
