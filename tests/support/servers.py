"""A pytest plugin: real PostgreSQL and Valkey for each test process, xdist workers included.

It is named in `addopts`, because the servers' addresses must be in the environment before
pytest-django reads the settings. Addresses that the environment already holds are respected.
"""

import os
import secrets
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox import supervisor
from sandbox.servers import PostgresServer, ValkeyServer

ROOT = Path(__file__).resolve().parent.parent.parent


class Running:
    """The servers of this test process; None where the environment named one."""

    postgres = None
    valkey = None
    #: Where this process keeps data and logs; removed at the end.
    directory = ROOT / ".local" / "tests" / f"{os.getpid()}-{secrets.token_hex(4)}"

    @classmethod
    def servers(cls):
        """Return the servers that are ours."""
        return [server for server in (cls.postgres, cls.valkey) if server is not None]


def needs_servers(config):
    """Say whether this process will run tests."""
    options = config.known_args_namespace
    if "PYTEST_XDIST_WORKER" in os.environ:
        return True
    shows_only = {"--co", "--collect-only", "--fixtures", "--markers", "-h", "--help", "--version"}
    is_controller = bool(getattr(options, "numprocesses", None))
    return not is_controller and not shows_only & set(sys.argv)


def make_directory():
    """Make this process's directory and have temporary files go there."""
    supervisor.current_supervisor().remove_at_end(Running.directory)
    temporary = Running.directory / "tmp"
    temporary.mkdir(parents=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)


def start():
    """Start what the environment does not name, and name it there."""
    if not os.environ.get("DATABASE_URL"):
        Running.postgres = PostgresServer(Running.directory / "postgres")
        Running.postgres.start()
        options = os.environ.get("TEST_DATABASE_OPTIONS", "")
        os.environ["DATABASE_URL"] = f"{Running.postgres.url('celeriac')}?{options}".rstrip("?")
    if not os.environ.get("BROKER_URL"):
        Running.valkey = ValkeyServer(Running.directory / "valkey")
        Running.valkey.start()
        os.environ["BROKER_URL"] = Running.valkey.url(0)
        os.environ.setdefault("CACHE_URL", Running.valkey.url(1))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config):
    """Start the servers before anybody reads the settings."""
    make_directory()
    if needs_servers(early_config):
        start()
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Stop the servers and whatever else this process started."""
    for server in Running.servers():
        server.stop()
    supervisor.close()
