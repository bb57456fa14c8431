import os
import signal
import subprocess
import sys
import textwrap

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox import supervisor
from sandbox.servers import PostgresServer, ValkeyServer
from tests.support.processes import wait_until
from tests.support.servers import ROOT


@pytest.fixture
def postgres(run_directory, request):
    """Yield a PostgreSQL server of the test's own."""
    server = PostgresServer(run_directory / f"own-{os.urandom(4).hex()}")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(run_directory):
    """Yield a Valkey server of the test's own."""
    server = ValkeyServer(run_directory / f"own-{os.urandom(4).hex()}")
    server.start()
    yield server
    server.stop()


NO_RETRY = Retry(NoBackoff(), 0)
OWNER = """
import os, subprocess, sys, time
from pathlib import Path
from sandbox import supervisor
from sandbox.servers import PostgresServer, ValkeyServer
home = Path(sys.argv[1])
supervisor.current_supervisor().remove_at_end(home)
home.mkdir()
postgres, valkey = PostgresServer(home / "postgres"), ValkeyServer(home / "valkey")
postgres.start(), valkey.start()
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
fork = os.fork() or time.sleep(600)
print(postgres.pid, valkey.pid, child.pid, fork, flush=True)
{end}
"""


def start_owner(home, end):
    """Start a process that owns two servers, a daemon and a fork; return it and the pids."""
    script = textwrap.dedent(OWNER).replace("{end}", end)
    env = {name: value for name, value in os.environ.items() if name != supervisor.TOKEN}
    command = [sys.executable, "-c", script, str(home)]
    owner = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    return owner, [int(pid) for pid in owner.stdout.readline().split()]


def is_alive(pid):
    """Say whether a process runs; a zombie has ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    "end",
    [
        "time.sleep(600)",
        "raise SystemExit('forgot to stop anything')",
        "os._exit(3)",
    ],
    ids=["killed", "left", "vanished"],
)
def test_nothing_is_left_however_the_owner_of_servers_ends(run_directory, end):
    """Servers, grandchildren and directories go with their owner, SIGKILL included."""
    home = run_directory / f"owned-{os.urandom(4).hex()}"
    owner, pids = start_owner(home, end)
    assert len(pids) == 4
    if end == "time.sleep(600)":
        owner.send_signal(signal.SIGKILL)
    with owner:
        owner.wait(60)
    wait_until(lambda: not any(map(is_alive, pids)), timeout=60)
    wait_until(lambda: not home.exists(), timeout=60)


def test_a_server_is_back_on_its_port_after_a_crash(postgres, valkey):
    """Clients hold the address; committed rows survive an immediate stop, Valkey's keys do not."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    ports = postgres.port, valkey.port
    postgres.restart(mode="immediate")
    with redis.Redis(port=valkey.port) as client:
        client.set("lost", "1")
    valkey.kill()
    valkey.start()
    assert (postgres.port, valkey.port) == ports
    with psycopg.connect(postgres.url()) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    with redis.Redis(port=valkey.port) as client:
        assert client.get("lost") is None


def test_a_killed_database_recovers(postgres):
    """SIGKILL of the server itself, whose children may still be leaving."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    postgres.kill()
    postgres.start()
    with psycopg.connect(postgres.url()) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_frozen_server_answers_again_when_it_goes_on(valkey):
    """The connection stays; only the answer is late."""
    with redis.Redis(port=valkey.port, socket_timeout=0.2, retry=NO_RETRY) as client:
        client.ping()
        valkey.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        valkey.resume()
    with redis.Redis(port=valkey.port, socket_timeout=10) as client:
        assert client.ping()


def test_a_durable_server_waits_for_the_disk(run_directory):
    """What is measured must be what a careful production server does."""
    server = PostgresServer(run_directory / "durable", durable=True)
    server.start()
    try:
        with psycopg.connect(server.url()) as connection:
            names = ["fsync", "synchronous_commit", "full_page_writes"]
            assert {connection.execute(f"SHOW {name}").fetchone() for name in names} == {("on",)}
    finally:
        server.stop()


def test_a_stranger_without_the_password_stays_outside(postgres):
    """Other users of the machine reach loopback too."""
    address = {"host": postgres.host, "port": postgres.port, "user": "celeriac"}
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(**address, password="guess", dbname="postgres")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to drop its rights")
def test_root_runs_the_database_outside_a_clone_that_nobody_can_enter(run_directory):
    """And the directory outside is gone when the owner is."""
    home = run_directory / f"closed-{os.urandom(4).hex()}"
    home.mkdir(mode=0o700)
    end = "print(postgres.data, postgres.url(), flush=True); postgres.stop(); supervisor.close()"
    inside = end.replace(
        "supervisor.close()", "print(postgres.data.exists(), flush=True); supervisor.close()"
    )
    owner, _ = start_owner(home / "owned", inside)
    with owner:
        lines = owner.stdout.read().split()
    assert owner.returncode == 0
    data, existed = lines[0], lines[-1]
    assert existed == "True"
    assert not data.startswith(str(run_directory))
    assert not os.path.exists(os.path.dirname(data))
