"""The servers that a project is run on: PostgreSQL, Valkey, and the site that wger fetches from."""

import contextlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

from sandbox import supervisor
from sandbox.servers import PostgresServer, ValkeyServer
from tests.hosts.suites import tree_seconds

#: Whose data lies in which of Valkey's databases.
DATABASES = {"tests": 1, "plain": 2, "moved": 3, "bare": 4}


class Upstream(BaseHTTPRequestHandler):
    """A site of wger's that has nothing: every list is empty, and there are no files."""

    def do_GET(self):
        """Answer."""
        if "/api/" not in self.path:
            self.send_error(404)
            return
        empty = {"count": 0, "next": None, "previous": None, "results": []}
        body = json.dumps("0.0.1" if "min-server-version" in self.path else empty).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


class Servers:
    """What runs, and what a project's environment says of it."""

    def __init__(self, folder, postgres, valkey, upstream):
        """Remember them."""
        self.folder, self.postgres, self.valkey, self.upstream = folder, postgres, valkey, upstream

    def fill(self, env, side):
        """Return an environment with the servers' places in it."""
        places = {
            "postgres": self.postgres.url("").rstrip("/"),
            "valkey": self.valkey.url(0).rpartition("/")[0],
            "upstream": f"http://127.0.0.1:{self.upstream.server_port}",
            "scratch": str(self.folder),
            "side": side,
            "database": DATABASES[side],
        }
        return {name: value.format(**places) for name, value in env.items()}

    def copy_database(self, side):
        """Make a copy's database, or a copy of the one that was made first; say which it was."""
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            names = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            if f"hosts_{side}" not in names:
                template = "hosts_first" if "hosts_first" in names else "template1"
                connection.execute(f'CREATE DATABASE "hosts_{side}" TEMPLATE "{template}"')
        return "hosts_first" not in names

    def keep_database(self, side):
        """Keep what the first copy's database is like before anything runs on it."""
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "hosts_first" TEMPLATE "hosts_{side}"')

    def processor(self):
        """Return the processor's seconds that PostgreSQL has taken."""
        return tree_seconds(self.postgres.pid)


@contextlib.contextmanager
def running(folder):
    """Start the servers, and end them."""
    shutil.rmtree(folder / "postgres", ignore_errors=True)  # of an earlier run
    postgres = PostgresServer(folder / "postgres")
    valkey = ValkeyServer(folder / "valkey")
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    postgres.start()
    valkey.start()
    with psycopg.connect(postgres.url("template1"), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")  # wger's indexes want it
    try:
        yield Servers(folder, postgres, valkey, upstream)
    finally:
        valkey.stop()
        postgres.stop()
        upstream.shutdown()
        supervisor.close()
