"""Fixtures for every test. The servers themselves come from the plugin in tests/support."""

import os
import sys
from itertools import groupby, islice
from operator import attrgetter
from urllib.parse import quote

import freezegun
import pytest
import redis
from hypothesis import settings

from tests.support import valkey_keys
from tests.support.forks import ForkServer
from tests.support.processes import Processes
from tests.support.servers import ROOT, Running

# A gate must answer the same for the same code: it draws the same examples each time.
# HYPOTHESIS_PROFILE=long hunts with new ones.
settings.register_profile("steady", derandomize=True)
settings.register_profile("long", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


#: Where tests wait for processes: the test processes share them, and begin with them.
LONG = ("acceptance", "browser", "chaos")
# A duration is none of the time that a test pretends.
freezegun.configure(extend_ignore_list=["_pytest.timing"])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Have each test process begin with its share of the long tests, in whatever order.

    `--dist worksteal` gives each the next so many tests of the list, then evens out.
    """
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    folders = {ROOT / "tests" / folder for folder in LONG}
    long = [item for item in items if not folders.isdisjoint(item.path.parents)]
    short = iter([item for item in items if folders.isdisjoint(item.path.parents)])
    shares = [[] for _ in range(count)]
    for number, (_, module) in enumerate(groupby(long, key=attrgetter("path"))):
        shares[number % count] += module
    left = len(items)
    for number, share in enumerate(shares):
        size = left // (count - number)
        share += islice(short, max(0, size - len(share)))
        left -= size
    items[:] = [item for share in (*shares, short) for item in share]


@pytest.fixture(scope="session")
def run_directory():
    """Where this test process may leave data and logs; removed at the end of the run."""
    return Running.directory


@pytest.fixture(scope="session")
def postgres_server():
    """Return the PostgreSQL server of this test process, to be restarted, killed or frozen."""
    if Running.postgres is None:
        pytest.skip("DATABASE_URL names a server that is not ours to stop.")
    return Running.postgres


@pytest.fixture(scope="session")
def valkey_server():
    """Return the Valkey server of this test process, to be restarted, killed or frozen."""
    if Running.valkey is None:
        pytest.skip("BROKER_URL names a server that is not ours to stop.")
    return Running.valkey


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Make the test database, and keep what `migrate` wrote into it."""
    from tests.support import rows, uuid7

    with django_db_blocker.unblock():
        uuid7.make_function()
        rows.remember(django_db_blocker)
    yield
    rows.forget()


@pytest.fixture(scope="session")
def database_url(django_db_setup):
    """Return the test database's URL, for processes of their own."""
    from django.db import connection

    values = connection.settings_dict
    user, password = quote(values["USER"]), quote(values["PASSWORD"])
    return f"postgres://{user}:{password}@{values['HOST']}:{values['PORT']}/{values['NAME']}"


@pytest.fixture(scope="session")
def process_env(database_url, run_directory):
    """Return what a process needs in its environment to share this test's database and broker."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": database_url,
        "BROKER_URL": os.environ["BROKER_URL"],
        "CACHE_URL": os.environ["CACHE_URL"],
        "CELERIAC_SLOT_DIRECTORY": str(run_directory / "slots"),
    }


@pytest.fixture(autouse=True)
def _emptied_valkey():
    """Empty Valkey after each test, once everything else of it has ended."""
    yield
    valkey_keys.empty()


@pytest.fixture
def broker():
    """Yield a client of the broker, which is empty."""
    with redis.Redis.from_url(os.environ["BROKER_URL"], socket_timeout=5) as client:
        yield client


@pytest.fixture(scope="session")
def forks():
    """Yield a fork server, which starts Python's programs fast; None where there is none."""
    server = ForkServer() if sys.platform == "linux" else None
    yield server
    if server is not None:
        server.stop()


@pytest.fixture
def processes(transactional_db, process_env, broker, run_directory, forks, request):
    """Yield a starter of real processes (tests/support/processes.py) that end with the test.

    They see only committed rows, hence `transactional_db`.
    """
    directory = run_directory / "logs" / f"{abs(hash(request.node.nodeid)):x}"
    directory.mkdir(parents=True, exist_ok=True)
    started = Processes(env=process_env, directory=directory, forks=forks)
    yield started
    started.stop_all()


@pytest.fixture(autouse=True)
def _own_apps():
    """Forget the Celery apps that a test makes: system checks speak of every one."""
    yield
    from celeriac.jobs.hosts import ledger_apps
    from config.celery import app

    for name in [name for name, each in ledger_apps.items() if each is not app]:
        del ledger_apps[name]
