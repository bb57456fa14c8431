"""Servers and databases for one run of the bench, its own and gone at the end."""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from bench import cpu_time, neighbour
from bench.checkouts import OURS, ROOT, Checkout, Subject
from celeriac.core import tables
from sandbox import supervisor
from sandbox.servers import PostgresServer, ValkeyServer

HISTORY = 2_000_000
_CHUNK = 500_000
#: Databases by the side that uses them: the first is migrated, the others are copies.
_FIRST, *_COPIES = ("bench_plain", "bench_ledger", "bench_history")

#: Finished jobs of the last fortnight, the newest last, one in a hundred dead.
_PAST = f"""
INSERT INTO {tables.JOB} (id, kind, queue, priority, args, state, run_at, attempt, failures,
    worker,
                      started_at, finished_at, error, created_at)
SELECT uuidv7(-age), 'bench.touch', 'bench', 0, jsonb_build_object('number', n),
       CASE WHEN n %% 100 = 0 THEN 'dead' ELSE 'succeeded' END,
       now() - age, 1, (n %% 100 = 0)::int, gen_random_uuid(),
       now() - age + interval '5 ms', now() - age + interval '5.05 ms',
       CASE WHEN n %% 100 = 0 THEN 'ValueError: it did not work' ELSE '' END, now() - age
FROM (SELECT n, interval '14 days' * (1.0 - n::float8 / %(total)s) AS age
      FROM generate_series(%(first)s::int, %(last)s::int) AS n) AS past
"""
#: Emptied before each stage, beside the results of plain Celery.
_EMPTIED = ("JOB", "ATTEMPT", "JOB_KEY", "WORKER")
#: What a managed database does to commits: two milliseconds each, in groups.
_REMOTE = {"commit_delay": "2000", "commit_siblings": "0"}
_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers")


class Environment:
    """Where stages run."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        """Use `directory` for data and logs; not `durable`, the database waits for no disk."""
        self.directory = directory
        self.postgres = PostgresServer(
            directory / "postgres",
            durable=durable,
            settings={
                "shared_preload_libraries": "pg_stat_statements",
                # A run's checkpoints come between its stages, not in the middle of one.
                "pg_stat_statements.track_planning": "on",
                "max_wal_size": "8GB",
                "checkpoint_timeout": "30min",
            },
        )
        self.valkey = ValkeyServer(directory / "valkey")
        self._proxy: subprocess.Popen[str] | None = None
        self._far_port = ""

    def prepare(self, subjects: Sequence[Subject]) -> None:
        """Make the databases that the rows need."""
        self._migrate(_FIRST, OURS)
        with self._connect("postgres") as main:
            for name in _COPIES:
                copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
                main.execute(copy.format(sql.Identifier(name), sql.Identifier(_FIRST)))
        for each in {each.database: each for each in subjects if each.checkout.name}.values():
            self._migrate(each.database, each.checkout)
        for name in {each.row.peer for each in subjects if each.row.peer}:
            row = next(each for each in subjects if each.row.peer == name)
            command = [sys.executable, "-m", "bench.peers.prepare", name]
            env = os.environ | self.environment_of(row)
            subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=60)
        if any(each.row.history for each in subjects):
            self._write_history()
        if any(each.row.neighbour for each in subjects):
            self.postgres.create_database(neighbour.DATABASE)
            neighbour.prepare(self.postgres.url(neighbour.DATABASE))

    def environment(self, database: str, checkout: Checkout = OURS) -> dict[str, str]:
        """Return what processes of a stage must know."""
        return {
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "DATABASE_URL": self.postgres.url(database),
            "BROKER_URL": self.valkey.url(0),
            "CACHE_URL": self.valkey.url(1),
            "BREAKERS_STORE_URL": self.valkey.url(0),
            "LOG_LEVEL": "WARNING",
            cpu_time.VARIABLE: cpu_time.named_servers(
                {"postgres": self.postgres.pid, "valkey": self.valkey.pid}
            ),
            "PYTHONUNBUFFERED": "1",
        } | checkout.environment(self.directory)

    def environment_of(self, subject: Subject) -> dict[str, str]:
        """Return what a row's processes must know."""
        row = subject.row
        env = self.environment(subject.database, subject.checkout) | row.environment
        if row.side == "ledger":
            env["BENCH_LEDGER"] = "true"
        if row.remote:
            env["DATABASE_URL"] = self._far_url(subject.database)
        return env

    def clear(self, subject: Subject) -> None:
        """Empty what earlier stages left, and start them all from a checkpoint."""
        import redis

        redis.Redis.from_url(self.valkey.url(0)).flushall()
        engine = subject.checkout.engine
        emptied = [] if subject.row.history else [engine.table(name) for name in _EMPTIED]
        results = [] if subject.row.history else ["django_celery_results_taskresult"]
        queue = engine.table("QUEUE")
        with self._connect(subject.database) as database:
            names = ", ".join(["bench_order", *emptied, *results])
            database.execute(f"TRUNCATE {names}".encode())
            database.execute(f"UPDATE {queue} SET paused_at = NULL, lease_until = NULL".encode())
            for name, value in _REMOTE.items():
                change = f"SET {name} = {value}" if subject.row.remote else f"RESET {name}"
                database.execute(f"ALTER DATABASE {subject.database} {change}".encode())
            database.execute("CHECKPOINT")

    def commit_settings(self) -> dict[str, str]:
        """Return the server's settings that durability depends on."""
        with self._connect("postgres") as main:
            rows = [main.execute(f"SHOW {name}".encode()).fetchone() for name in _SETTINGS]
        return {name: str(row[0]) for name, row in zip(_SETTINGS, rows, strict=True) if row}

    def version(self, server: str) -> str:
        """Return the version of `postgres` or `valkey`."""
        if server == "valkey":
            import redis

            info = redis.Redis.from_url(self.valkey.url(0)).info("server")
            return str(info.get("valkey_version") or info["redis_version"])
        with self._connect("postgres") as main:
            row = main.execute("SHOW server_version").fetchone()
        return str(row[0]) if row else ""

    def stop(self) -> None:
        """Stop what was started."""
        if self._proxy:
            self._proxy.kill()
            self._proxy.wait(10)
        self.valkey.stop()
        self.postgres.stop()

    def _migrate(self, database: str, checkout: Checkout) -> None:
        """Make a checkout's database."""
        self.postgres.create_database(database)
        command = [checkout.python, "manage.py", "migrate", "--skip-checks", "--verbosity", "0"]
        env = os.environ | self.environment(database, checkout)
        subprocess.run(command, cwd=checkout.root, env=env, check=True)
        with self._connect(database) as made:
            made.execute("CREATE EXTENSION pg_stat_statements")
            made.execute("CREATE TABLE bench_order (id bigserial PRIMARY KEY, number int)")

    def _far_url(self, database: str) -> str:
        """Return a database's URL through the proxy that answers late."""
        if not self._proxy:
            command = [sys.executable, "-m", "bench.delaying", str(self.postgres.port)]
            self._proxy = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            self._far_port = (self._proxy.stdout.readline() if self._proxy.stdout else "").strip()
        return self.postgres.url(database).replace(f":{self.postgres.port}/", f":{self._far_port}/")

    def _write_history(self) -> None:
        with self._connect("bench_history") as database:
            for first in range(1, HISTORY, _CHUNK):
                last = first + _CHUNK - 1
                database.execute(_PAST, {"first": first, "last": last, "total": HISTORY})
            database.execute(f"VACUUM (ANALYZE, FREEZE) {tables.JOB}")

    def _connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.postgres.url(database), autocommit=True)


@contextmanager
def open_environment(subjects: Sequence[Subject], *, durable: bool = True) -> Iterator[Environment]:
    """Yield servers that live as long as the block."""
    home = Path(os.environ.get("CELERIAC_HOME") or ROOT / ".local")
    directory = home / f"bench-{secrets.token_hex(4)}"
    supervisor.current_supervisor().remove_at_end(directory)
    environment = Environment(directory, durable=durable)
    try:
        environment.postgres.start()
        environment.valkey.start()
        environment.prepare(subjects)
        yield environment
    finally:
        environment.stop()
        supervisor.close()


def stage_directory(environment: Environment) -> Path:
    """Make a directory for one stage."""
    return Path(tempfile.mkdtemp(prefix="stage-", dir=environment.directory))
