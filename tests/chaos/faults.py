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
    """One fault; `act(environment, seconds)` returns when it is over, or says what broke."""

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
def database_restarted_fast(environment, seconds):
    """A restart in good order."""
    environment.postgres.restart(mode="fast")


@fault(1)
def database_restarted_immediate(environment, seconds):
    """A crash and its recovery."""
    environment.postgres.restart(mode="immediate")


@fault(8)
def database_away(environment, seconds):
    """It is stopped for a while."""
    environment.postgres.stop()
    time.sleep(seconds)
    environment.postgres.start()


@fault(5)
def connections_reset(environment, seconds):
    """Each connection, again and again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for proxy in environment.proxies.values():
            proxy.reset()
        time.sleep(0.5)


@fault(5)
def answers_lost(environment, seconds):
    """Statements arrive, answers do not; then nobody can connect."""
    environment.set_proxies("lose_answers")
    time.sleep(seconds / 2)
    environment.set_proxies("refuse")
    time.sleep(seconds / 2)
    environment.set_proxies("pass")


@fault(8)
def network_blackholed(environment, seconds):
    """Nothing arrives, and nobody is told."""
    environment.set_proxies("blackhole")
    time.sleep(seconds)
    environment.set_proxies("pass")


@fault(6)
def read_only_for_a_while(environment, seconds):
    """Sessions made meanwhile can write nothing, and stay so when it is over: a failover."""
    environment.execute(f"ALTER DATABASE {database(environment)} SET {READ_ONLY} = on")
    environment.terminate_sessions()
    time.sleep(seconds)
    environment.execute(f"ALTER DATABASE {database(environment)} RESET {READ_ONLY}")


@fault(5)
def backends_terminated(environment, seconds):
    """As an administrator does, several times."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        environment.terminate_sessions()
        time.sleep(1)


@fault(8)
def connections_exhausted(environment, seconds):
    """Somebody else takes all of them."""
    taken = [environment.connect()]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        taken[0].execute(TERMINATE)
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                taken.append(environment.connect(connect_timeout=5))
        time.sleep(0.2)
    for connection in taken:
        connection.close()


@fault(40, kills=True)
def slow_database_and_a_killed_worker(environment, seconds):
    """Half a second a trip: what the dead worker held must be rescued all the same."""
    for proxy in environment.proxies.values():
        proxy.set("pass", delay=0.25)
    time.sleep(1)
    environment.kill("worker-1")
    held = (
        "SELECT count(*) FROM celeriac_jobs_job j "
        "JOIN celeriac_jobs_worker w ON w.id::text = j.worker::text"
    )
    held += " WHERE j.state = 'running' AND w.beat_at < statement_timestamp() - interval '15 s'"
    with environment.connect() as connection:

        def is_rescued():
            return not connection.execute(held).fetchone()[0]

        time.sleep(22)
        rescued = wait_until(is_rescued, timeout=seconds - 22)
    environment.set_proxies("pass")
    return None if rescued else "nobody was rescued while the database was slow"


@fault(30)
def workers_table_locked(environment, seconds):
    """Longer than the lease of a worker."""
    with environment.connect() as connection, connection.transaction():
        connection.execute("SELECT 1 FROM celeriac_jobs_worker FOR UPDATE")
        time.sleep(seconds)


@fault(30)
def watch_blackholed(environment, seconds):
    """The connection by which a worker beats hangs; those of its children work."""
    for role in ("worker-1", "worker-2"):
        proxy, parent = environment.proxies[role], psutil.Process(environment.process(role).pid)
        links = [link for link in parent.net_connections() if link.raddr]
        ports = {link.laddr.port for link in links if link.raddr.port == proxy.port}
        if not ports:
            return f"{role} had no connection of its own to lose"
        proxy.set("blackhole", ports=ports)
    time.sleep(seconds)
    return None


@fault(5)
def slots_deleted(environment, seconds):
    """By a cleaner of temporary files."""
    for entry in list(environment.slots.iterdir()):
        shutil.rmtree(entry, ignore_errors=True)
    time.sleep(seconds)


@fault(5)
def valkey_killed(environment, seconds):
    """The broker comes back empty."""
    environment.valkey.kill()
    time.sleep(seconds)
    environment.valkey.start()


@fault(5)
def valkey_flushed(environment, seconds):
    """All doorbells vanish, several times."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with environment.broker() as broker:
            broker.flushall()
        time.sleep(1)


@fault(5)
def valkey_garbage(environment, seconds):
    """In the nudges' channel and in the queues."""
    until = time.monotonic() + seconds
    with environment.broker() as broker:
        while time.monotonic() < until:
            for rubbish in GARBAGE:
                broker.publish("celeriac:nudge", rubbish)
                broker.rpush("default", rubbish)
            time.sleep(1)


@fault(30)
def broker_away(environment, seconds):
    """For so long that clients try seldom."""
    environment.valkey.stop()
    time.sleep(seconds)
    environment.valkey.start()


@fault(10)
def everything_frozen(environment, seconds):
    """A paused machine."""
    environment.send_all(signal.SIGSTOP)
    time.sleep(seconds)
    environment.send_all(signal.SIGCONT)


@fault(GRACE + 5)
def sigterm_while_the_database_is_away(environment, seconds):
    """A worker ends all the same, and its successor settles what had ended."""
    environment.postgres.stop()
    time.sleep(1)
    worker = environment.process("worker-1")
    worker.ask_to_end()
    ended = wait_until(lambda: worker.exit_code is not None, timeout=3 * GRACE)
    if not ended:
        worker.kill()
    environment.postgres.start()
    environment.supervise()
    return None if ended else f"a worker had not ended {3 * GRACE} s after SIGTERM"


@fault(4, kills=True)
def worker_killed(environment, seconds):
    """With its children."""
    environment.kill("worker-1")
    time.sleep(seconds)


@fault(4, kills=True)
def child_killed(environment, seconds):
    """One of each worker."""
    for role in ("worker-1", "worker-2"):
        psutil.Process(environment.process(role).pid).children()[0].kill()
    time.sleep(seconds)


@fault(4)
def dispatcher_killed(environment, seconds):
    """Its memory of what it rang goes with it; no job is running in it."""
    environment.kill("dispatcher")
    time.sleep(seconds)


def database(environment):
    """Return the database's name, quoted."""
    name = environment.database_url.rpartition("/")[2]
    return f'"{name}"'
