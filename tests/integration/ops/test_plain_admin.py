"""The console in a stranger's project: Django's users and admin, no theme, none of the extras."""

import os
import subprocess
import sys

import psycopg
import pytest

from tests.support.servers import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def host_database(database_url):
    """Make an empty database beside the test's own, and drop it; return its address."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS host WITH (FORCE)")
        connection.execute("CREATE DATABASE host")
        yield database_url.rpartition("/")[0] + "/host"
        connection.execute("DROP DATABASE host WITH (FORCE)")


@pytest.mark.parametrize("site", ["", "celeriac.console.own_site.console"])
def test_an_operator_gets_along_without_a_theme(site, host_database, run_directory):
    """In Django's own admin, and on a site of the console's own."""
    env = {**os.environ, "HOST_DATABASE": host_database, "HOST_SITE": site}
    env |= {"DJANGO_SETTINGS_MODULE": "tests.support.plain_settings"}
    env |= {"HOST_SLOTS": str(run_directory / "host-slots")}
    command = [sys.executable, "-m", "tests.support.plain_clicks"]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split()[-1:] == ["fine"], done.stderr[-3000:]
