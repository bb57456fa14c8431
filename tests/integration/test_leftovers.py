"""Each kind of thing that a test may leave behind is seen, named and, where possible, removed."""

import logging
import os
import signal
import subprocess
import threading

import psycopg
import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone, translation

from celeriac.jobs import registry
from celeriac.jobs.models import Queue
from tests.support import leftovers, rows, valkey_keys
from tests.support.leftovers import changes, look

QUICK = 0.05

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Wait for no thread or process for long: those of these tests do not end by themselves."""
    monkeypatch.setattr(leftovers, "PATIENCE", QUICK)


def found_after(act, undo):
    """Return what is found between an act and its undoing; afterwards nothing is."""
    before = look()
    thing = act()
    try:
        return changes(before)[0]
    finally:
        undo(thing)
        assert changes(before)[0] == []


def started_thread():
    """Return the event that ends a thread, and the thread."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="the culprit")
    thread.start()
    return end, thread


def ended(pair):
    """End that thread."""
    pair[0].set()
    pair[1].join()


def killed(process):
    """End that process."""
    process.kill()
    process.wait()


def handled(handler):
    """Return a function that sets SIGUSR1's handler."""
    return lambda *_: signal.signal(signal.SIGUSR1, handler)


def masked(how):
    """Return a function that blocks or unblocks SIGUSR1."""
    return lambda *_: signal.pthread_sigmask(how, {signal.SIGUSR1})


def level(value):
    """Return a function that sets a logger's level."""
    return lambda *_: logging.getLogger("django").setLevel(value)


DJANGO_LEVEL = logging.getLogger("django").level
ACTS = {
    "a thread, 'the culprit', threading.py": (started_thread, ended),
    "sleep 60": (lambda: subprocess.Popen(["sleep", "60"]), killed),
    "environment variable CULPRIT: it was nothing, and is 'x'": (
        lambda: os.environ.update(CULPRIT="x"),
        lambda _: os.environ.pop("CULPRIT"),
    ),
    "working directory": (lambda: os.chdir("/"), lambda _: os.chdir(leftovers_root())),
    "umask : it was '0022', and is '0077'": (lambda: os.umask(0o77), os.umask),
    "signal handler SIGUSR1": (
        lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
        lambda old: signal.signal(signal.SIGUSR1, old),
    ),
    "blocked signals": (masked(signal.SIG_BLOCK), masked(signal.SIG_UNBLOCK)),
    "setting CELERIAC": (
        lambda: django_settings.CELERIAC["QUEUES"].update(culprit="x"),
        lambda _: django_settings.CELERIAC["QUEUES"].pop("culprit"),
    ),
    "time zone : it was 'UTC', and is 'Asia/Tokyo'": (
        lambda: timezone.activate("Asia/Tokyo"),
        lambda _: timezone.deactivate(),
    ),
    "language": (lambda: translation.activate("de"), lambda _: translation.deactivate()),
    "logging.disable": (lambda: logging.disable(50), lambda _: logging.disable(0)),
    "logger django": (level(7), level(DJANGO_LEVEL)),
    "kinds": (
        lambda: registry._kinds.setdefault("culprit", registry.find_kind("test.noop")),
        lambda _: registry._kinds.pop("culprit"),
    ),
}


def leftovers_root():
    """Return where tests run."""
    from tests.support.servers import ROOT

    return ROOT


@pytest.mark.parametrize("what", ACTS)
def test_what_changes_in_the_process_is_named(what):
    """One of each kind."""
    assert [what in line for line in found_after(*ACTS[what])] == [True]


def test_a_setting_that_stays_overridden_is_named(settings):
    """By its name, though the whole settings object is another one."""
    before = look()
    settings.PUBLIC_URL = "https://culprit.example"
    assert any("PUBLIC_URL" in line for line in changes(before)[0])


def test_keys_in_valkey_are_named_and_removed(valkey_server):
    """In any of its databases."""
    assert list(valkey_keys.leftovers()) == []
    with redis.Redis.from_url(valkey_server.url(3)) as other:
        other.set("culprit", 1)
    assert list(valkey_keys.leftovers()) == ["1 keys in Valkey's database 3: culprit"]
    assert list(valkey_keys.leftovers()) == []


def test_a_valkey_that_is_stopped_is_named_and_started(valkey_server):
    """As a test may have left it."""
    valkey_server.stop()
    assert list(valkey_keys.leftovers()) == ["Valkey, stopped"]
    assert valkey_server.is_running


@pytest.fixture
def other(transactional_db, database_url):
    """Return a connection of somebody else to the test's database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def test_rows_are_named_and_removed(other):
    """A queue of our own is a change of the first rows; a key is a row."""
    assert rows.leftovers() == []
    other.execute("INSERT INTO auth_group (name) VALUES ('culprit')")
    other.execute("UPDATE celeriac_jobs_queue SET pause_reason = 'culprit' WHERE name = 'default'")
    other.execute("INSERT INTO django_session VALUES ('culprit', '', now())")

    found = rows.leftovers()

    assert sorted(line.partition(" such as")[0] for line in found) == [
        "1 rows in django_session,",
        "other rows in auth_group than `migrate` wrote",
        "other rows in celeriac_jobs_queue than `migrate` wrote",
    ]
    assert rows.leftovers() == []
    assert not Group.objects.filter(name="culprit").exists()
    assert Queue.objects.get(name="default").pause_reason == ""


def test_an_open_transaction_is_named(other):
    """It would hold locks in the next test."""
    other.execute("BEGIN")
    other.execute("SELECT 'culprit'")
    (found,) = rows.leftovers()
    assert found.startswith("an open transaction")
    assert "culprit" in found
    other.execute("ROLLBACK")


def test_a_setting_of_the_database_is_named(other):
    """It would hold for each later connection."""
    name = connection.settings_dict["NAME"]
    other.execute(f"ALTER DATABASE \"{name}\" SET work_mem = '5MB'")
    assert rows.leftovers() == ["a setting of the database or a role: {work_mem=5MB}"]
    other.execute(f'ALTER DATABASE "{name}" RESET ALL')


def test_the_culprit_fails_and_nobody_else(pytester, monkeypatch):
    """What a fixture of the module holds is nobody's leftover."""
    monkeypatch.setattr(leftovers.Leftovers, "_elsewhere", lambda self, item: [])
    monkeypatch.setenv("CULPRIT", "taken back at the end")
    del os.environ["CULPRIT"]
    pytester.makepyfile(
        """
        import os, threading, pytest

        @pytest.fixture(scope="module")
        def wide():
            os.environ["WIDE"] = "1"
            end = threading.Event()
            thread = threading.Thread(target=end.wait)
            thread.start()
            yield
            del os.environ["WIDE"]
            end.set()
            thread.join()

        def test_before():
            pass

        def test_culprit():
            os.environ["CULPRIT"] = "1"

        def test_after(wide):
            pass

        def test_last(wide):
            assert os.environ.pop("WIDE") and os.environ.pop("CULPRIT")
            os.environ |= {"WIDE": "1", "CULPRIT": "1"}
        """
    )
    pytester.makeini("[pytest]")
    plugins = ["-p", "no:django", "-p", "no:randomly", "-p", "no:cacheprovider"]
    ran = pytester.runpytest_inprocess("-p", "tests.support.leftovers", *plugins)
    ran.assert_outcomes(passed=4, errors=1)
    ran.stdout.fnmatch_lines(["*::test_culprit leaves behind:", "*CULPRIT: it was nothing*"])
