"""One address, every client: on a real socket, and behind real sentinels."""

import pytest
import redis
from django.core.cache.backends.redis import RedisCache

from celeriac.breakers.shared_store import BreakerStore
from celeriac.celery.broker import Connection
from celeriac.core import broker
from celeriac.jobs import nudge
from sandbox.servers import ValkeyServer
from tests.support.processes import wait_until


class OnSocket(ValkeyServer):
    """A server that is reached by a Unix socket, too."""

    def command(self):
        """Name the socket."""
        return [*super().command(), "--unixsocket", "valkey.sock"]


class Sentinel(ValkeyServer):
    """A sentinel that watches one master."""

    master = None

    def command(self):
        """Write the configuration, which a sentinel insists on."""
        file = self.directory / "sentinel.conf"
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n"
            f"sentinel monitor mymaster 127.0.0.1 {self.master.port} 1\n"
        )
        return [super().command()[0], str(file), "--sentinel"]


@pytest.fixture(scope="module")
def server(run_directory):
    """Yield the server."""
    made = OnSocket(run_directory / "on-socket")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def sentinel(run_directory, server):
    """Yield its sentinel."""
    made = Sentinel(run_directory / "sentinel")
    made.master = server
    made.start()
    yield made
    made.stop()


@pytest.fixture(params=["socket", "sentinel", "valkey"])
def url(request, server):
    """Return an address of the server's third database."""
    if request.param == "socket":
        return f"redis+socket://{server.directory}/valkey.sock?virtual_host=2"
    if request.param == "valkey":
        return server.url(2).replace("redis://", "valkey://")
    port = request.getfixturevalue("sentinel").port
    return f"sentinel://127.0.0.1:{port};sentinel://127.0.0.1:1/2?master_name=mymaster"


def test_all_clients_meet_at_one_address(url, server):
    """Celery, nudges, breakers, the cache: each writes where the plain client reads."""
    plain = redis.Redis.from_url(server.url(2), decode_responses=True)
    plain.flushall()
    options = {"ack_emulation": False, **broker.celery_options(url)}
    with Connection(broker.celery_url(url), transport_options=options) as connection:
        wait_until(lambda: connection.connect() or connection.connected)
        queue = connection.SimpleQueue("met")
        queue.put({})
        queue.close()
    with nudge.nudge_client(url, timeout=2.0) as client:
        client.set("nudge", 1)
    store = BreakerStore(url, timeout=2.0, mute=1.0)
    store.client.set("breaker", 1)
    store.client.close()
    cache = RedisCache(
        [url], {"OPTIONS": {"pool_class": "celeriac.core.broker.Pool", "socket_timeout": 2}}
    )
    cache.set("cache", 1)
    assert cache.get("cache") == 1
    cache._cache.get_client().close()
    assert {"met", "nudge", "breaker", ":1:cache"} <= set(plain.keys("*"))
    plain.close()


@pytest.mark.parametrize(
    "url",
    ["amqp://h", "nonsense", f"redis://{'a' * 300}", "rediss://127.0.0.1:1?ssl_ca_certs=/none"],
)
def test_a_guarded_call_never_raises_for_its_store(url):
    """What is no address is a store that is away: each process guards for itself."""
    store = BreakerStore(url, timeout=0.1, mute=1.0)
    with pytest.raises(redis.RedisError):
        store.run("acquire", "payments")
