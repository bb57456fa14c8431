"""The faults: each is a function that makes one and takes it back, `seconds` long in between.

`kills` says that processes die in it, so that losses are nobody's broken promise.
"""

import contextlib
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import psycopg

from sandbox.servers.process import wait_until
from tests.chaos.environment import GRACE, TERMINATE

GARBAGE = [
    b'{"locks":["\\u0000"]}',
    b'{"queues":{},"ids":[],"locks":["\\u0000"],"workers":0}',
    b'{"queues":{"default":[[1e400,5]]},"ids":[],"locks":[],"workers":0}',
    b'{"queues":{"default":[[99999999999999999999999,5]]}}',
    b"[]",
    b"null",
    b"\xff\xfe\x00",
    b"{" * 5_000,
    b'{"ids":["nobody"]}',
    b'{"body":"W10=","headers":{},"properties":{}}',
    b'{"body":1,"content-type":"application/json","properties":{"delivery_info":{}}}',
]
READ_ONLY = "default_transaction_read_only"


@dataclass(frozen=True)
class Fault:
    """One fault; `act(ground, seconds)` returns when it is over, or says what broke meanwhile."""

    name: str
    seconds: float
    act: Callable
    kills: bool = False


FAULTS = {}


def fault(seconds, *, kills=False):
    """Declare a fault that lasts so long."""

    def declare(act):
        name = act.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, seconds, act, kills)
        return act

    return declare


@fault(1)
def database_restarted_fast(ground, seconds):
    """A restart in good order."""
    ground.postgres.restart(mode="fast")


@fault(1)
def database_restarted_immediate(ground, seconds):
    """A crash and its recovery."""
    ground.postgres.restart(mode="immediate")


@fault(8)
def database_away(ground, seconds):
    """It is stopped for a while."""
    ground.postgres.stop()
    time.sleep(seconds)
    ground.postgres.start()


@fault(5)
def connections_reset(ground, seconds):
    """Each connection, again and again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for proxy in ground.proxies.values():
            proxy.reset()
        time.sleep(0.5)


@fault(5)
def answers_lost(ground, seconds):
    """Statements arrive, answers do not; then nobody can connect."""
    ground.set_proxies("lose_answers")
    time.sleep(seconds / 2)
    ground.set_proxies("refuse")
    time.sleep(seconds / 2)
    ground.set_proxies("pass")


@fault(8)
def network_blackholed(ground, seconds):
    """Nothing arrives, and nobody is told."""
    ground.set_proxies("blackhole")
    time.sleep(seconds)
    ground.set_proxies("pass")


@fault(6)
def read_only_for_a_while(ground, seconds):
    """Sessions made meanwhile can write nothing, and stay so when it is over: a failover."""
    ground.execute(f"ALTER DATABASE {database(ground)} SET {READ_ONLY} = on")
    ground.terminate_sessions()
    time.sleep(seconds)
    ground.execute(f"ALTER DATABASE {database(ground)} RESET {READ_ONLY}")


@fault(5)
def backends_terminated(ground, seconds):
    """As an administrator does, several times."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ground.terminate_sessions()
        time.sleep(1)


@fault(8)
def connections_exhausted(ground, seconds):
    """Somebody else takes all of them."""
    taken = [ground.connect()]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        taken[0].execute(TERMINATE)
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                taken.append(ground.connect(connect_timeout=5))
        time.sleep(0.2)
    for connection in taken:
        connection.close()


@fault(40, kills=True)
def slow_database_and_a_killed_worker(ground, seconds):
    """Half a second a trip: what the dead worker held must be rescued all the same."""
    for proxy in ground.proxies.values():
        proxy.set("pass", delay=0.25)
    time.sleep(1)
    ground.kill("worker-1")
    held = (
        "SELECT count(*) FROM celeriac_jobs_job j "
        "JOIN celeriac_jobs_worker w ON w.id::text = j.worker::text"
    )
    held += " WHERE j.state = 'running' AND w.beat_at < statement_timestamp() - interval '15 s'"
    with ground.connect() as connection:

        def is_rescued():
            return not connection.execute(held).fetchone()[0]

        time.sleep(22)
        rescued = wait_until(is_rescued, timeout=seconds - 22)
    ground.set_proxies("pass")
    return None if rescued else "nobody was rescued while the database was slow"


@fault(30)
def workers_table_locked(ground, seconds):
    """Longer than the lease of a worker."""
    with ground.connect() as connection, connection.transaction():
        connection.execute("SELECT 1 FROM celeriac_jobs_worker FOR UPDATE")
        time.sleep(seconds)


@fault(30)
def watch_blackholed(ground, seconds):
    """The connection by which a worker beats hangs; those of its children work."""
    for role in ("worker-1", "worker-2"):
        proxy, parent = ground.proxies[role], psutil.Process(ground.process(role).pid)
        links = [link for link in parent.net_connections() if link.raddr]
        ports = {link.laddr.port for link in links if link.raddr.port == proxy.port}
        if not ports:
            return f"{role} had no connection of its own to lose"
        proxy.set("blackhole", ports=ports)
    time.sleep(seconds)
    return None


@fault(5)
def slots_deleted(ground, seconds):
    """By a cleaner of temporary files."""
    for entry in list(ground.slots.iterdir()):
        shutil.rmtree(entry, ignore_errors=True)
    time.sleep(seconds)


@fault(5)
def valkey_killed(ground, seconds):
    """The broker comes back empty."""
    ground.valkey.kill()
    time.sleep(seconds)
    ground.valkey.start()


@fault(5)
def valkey_flushed(ground, seconds):
    """All doorbells vanish, several times."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with ground.broker() as broker:
            broker.flushall()
        time.sleep(1)


@fault(5)
def valkey_garbage(ground, seconds):
    """In the nudges' channel and in the queues."""
    until = time.monotonic() + seconds
    with ground.broker() as broker:
        while time.monotonic() < until:
            for rubbish in GARBAGE:
                broker.publish("celeriac:nudge", rubbish)
                broker.rpush("default", rubbish)
            time.sleep(1)


@fault(30)
def broker_away(ground, seconds):
    """For so long that clients try seldom."""
    ground.valkey.stop()
    time.sleep(seconds)
    ground.valkey.start()


@fault(10)
def everything_frozen(ground, seconds):
    """A paused machine."""
    ground.send_all(signal.SIGSTOP)
    time.sleep(seconds)
    ground.send_all(signal.SIGCONT)


@fault(GRACE + 5)
def sigterm_while_the_database_is_away(ground, seconds):
    """A worker ends all the same, and its successor settles what had ended."""
    ground.postgres.stop()
    time.sleep(1)
    worker = ground.process("worker-1")
    worker.ask_to_end()
    ended = wait_until(lambda: worker.exit_code is not None, timeout=3 * GRACE)
    if not ended:
        worker.kill()
    ground.postgres.start()
    ground.supervise()
    return None if ended else f"a worker had not ended {3 * GRACE} s after SIGTERM"


@fault(4, kills=True)
def worker_killed(ground, seconds):
    """With its children."""
    ground.kill("worker-1")
    time.sleep(seconds)


@fault(4, kills=True)
def child_killed(ground, seconds):
    """One of each worker."""
    for role in ("worker-1", "worker-2"):
        psutil.Process(ground.process(role).pid).children()[0].kill()
    time.sleep(seconds)


@fault(4)
def dispatcher_killed(ground, seconds):
    """Its memory of what it rang goes with it; no job is running in it."""
    ground.kill("dispatcher")
    time.sleep(seconds)


def database(ground):
    """Return the database's name, quoted."""
    name = ground.database_url.rpartition("/")[2]
    return f'"{name}"'
