"""A pytest plugin: each test leaves everything as it found it, or is named as the one that did not.

It looks before a test's setup and after its teardown, which costs about a millisecond. What a
fixture of a wider scope sets up (a server's thread, a browser's process) is part of the place
until that fixture ends. Rows, keys and deliveries are absolute: after a test there are none.
"""

import contextlib
import gc
import os
import resource
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

from sandbox.common.http import KEPT_ALIVE
from sandbox.supervisor import TOKEN
from tests.support import valkey_keys
from tests.support.servers import Running

#: Seconds that a thread or a process gets to finish what it does.
PATIENCE = 5.0
#: What pytest itself changes while a test runs.
OURS = {"PYTEST_CURRENT_TEST", "PYTEST_VERSION"}
SIGNALS = [signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD]
SIGNALS += [signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT, signal.SIGPIPE]
LIMITS = {"open files": resource.RLIMIT_NOFILE, "address space": resource.RLIMIT_AS}
_MISSING = object()

#: Functions by name that return what a session's stand-in or server looks like; a test that
#: uses the fixture of that name must leave it so.
watched = {}


def watch(fixture, state):
    """Have the tests that use the fixture leave `state()`, a dict, as it is now."""
    watched[fixture] = (state, state())


def unwatch(fixture):
    """Look at the fixture no more: it ends, in the middle of its last test's end."""
    watched.pop(fixture, None)


def look():
    """Return this process as it is: `(what, which) -> value`."""
    threads = (t for t in threading.enumerate() if not t.name.startswith(KEPT_ALIVE))
    seen = {("thread", thread): thread for thread in threads}
    seen |= {("process", pid): pid for pid in children()}
    seen |= {("environment variable", n): v for n, v in os.environ.items() if n not in OURS}
    seen |= {("signal handler", number.name): signal.getsignal(number) for number in SIGNALS}
    seen |= {("limit", name): resource.getrlimit(which) for name, which in LIMITS.items()}
    seen["blocked signals", ""] = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    seen["working directory", ""] = directory()
    seen["umask", ""] = umask()
    seen["recursion limit", ""] = sys.getrecursionlimit()
    # Celery's loader adds the working directory once more for each application.
    seen["import path", ""] = tuple(dict.fromkeys(sys.path))
    if "django" in sys.modules:
        from tests.support import settings_seen

        seen |= settings_seen.look()
    return seen


def children():
    """Return the ids of this process's children but its servers, zombies included."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children") as file:
            found |= {int(pid) for pid in file.read().split()}
    found -= {server.pid for server in Running.servers() if server.is_running}
    return {pid for pid in found if not is_crash_handler(pid)}


def is_crash_handler(pid):
    """Return whether a process is one of Chromium's: they live as long as it pleases them."""
    return "chrome_crashpad" in command(pid).partition(" ")[0]


def orphans():
    """Return the ids of processes of this run whose parents have ended."""
    mark, found = f"{TOKEN}={os.environ.get(TOKEN)}".encode(), set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == "1" and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
    return {pid for pid in found if not is_crash_handler(pid)}


def directory():
    """Return the working directory, None where it is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def umask():
    """Return the umask, read where reading changes nothing."""
    status = Path("/proc/self/status").read_text()
    return next((line.split()[1] for line in status.splitlines() if line.startswith("Umask")), "")


def changes(before):
    """Return what is not as before, in words, and what is there now.

    Threads and processes get a while to end.
    """
    deadline, is_collected = time.monotonic() + PATIENCE, False
    while True:
        after = look()
        alive = {key for key in after.keys() - before.keys() if key[0] in {"thread", "process"}}
        if alive and not is_collected and time.monotonic() > deadline - 0.9 * PATIENCE:
            gc.collect()  # a pool in a cycle of references ends its threads only then
            is_collected = True
        elif not alive or time.monotonic() > deadline:
            return [told(key, before, after) for key in changed(before, after)], after
        time.sleep(0.005)


def changed(before, after):
    """Return the keys whose values differ; a thread or a process that has ended is none."""
    new = [key for key in after if after[key] is not before.get(key, _MISSING)]
    differ = [key for key in new if after[key] != before.get(key, _MISSING)]
    differ = [key for key in differ if key in before or key[0] != "logger"]
    # pytest-timeout takes its handler back once a test has failed.
    alarm = ("signal handler", "SIGALRM")
    differ = [key for key in differ if key != alarm or after[key] is not signal.SIG_DFL]
    gone = before.keys() - after.keys()
    return differ + [key for key in gone if key[0] not in {"thread", "process", "logger"}]


def told(key, before, after):
    """Return one change as a sentence."""
    what, which = key
    if what == "thread":
        return f"a thread, {which.name!r}, {where(which)}"
    if what == "process":
        return f"a process, {which}: {command(which)}"
    values = [printed(seen[key]) if key in seen else "nothing" for seen in (before, after)]
    return f"{what} {which}: it was {values[0]}, and is {values[1]}"


def printed(value):
    """Return a value in short; what is known by its identity needs no more than a word."""
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]} …"


def where(thread):
    """Say what a thread does now."""
    frame = sys._current_frames().get(thread.ident)
    lines = traceback.extract_stack(frame)[-3:] if frame else []
    return " < ".join(f"{Path(line.filename).name}:{line.lineno}" for line in reversed(lines))


def command(pid):
    """Return a process's command line."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() or "ended"
    return "ended"


class Leftovers:
    """The hooks; one for each test process."""

    def __init__(self):
        """Know nothing yet."""
        self._before = None
        self._wide = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item):
        """Look before the first test; later ones begin as their predecessors have ended."""
        self._before = self._before or look()
        # pytest-timeout sets one of its own for each test.
        self._before["signal handler", "SIGALRM"] = signal.getsignal(signal.SIGALRM)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef):
        """Take what a fixture of a wider scope sets up as part of the place."""
        if fixturedef.scope == "function":
            return (yield)
        before = look()
        result = yield
        after = look()
        keys = changed(before, after)
        self._wide[fixturedef] = {key: before.get(key, _MISSING) for key in keys}
        self._before |= {key: after[key] for key in keys if key in after}
        return result

    def pytest_fixture_post_finalizer(self, fixturedef):
        """Have what it changed back, now that the fixture has ended."""
        for key, value in self._wide.pop(fixturedef, {}).items():
            if value is _MISSING:
                self._before.pop(key, None)
            else:
                self._before[key] = value

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item, nextitem):
        """Fail the test if something is not as before it.

        With the last one the run's own fixtures end: its database, its stand-ins.
        """
        result = yield
        if nextitem is None:
            return result
        found, self._before = changes(self._before)
        found += self._elsewhere(item)
        if found:
            lines = "\n".join(f"  - {one}" for one in found)
            pytest.fail(f"{item.nodeid} leaves behind:\n{lines}", pytrace=False)
        return result

    def _elsewhere(self, item):
        """Yield what was left outside this process."""
        fixtures = set(item.fixturenames)
        if "processes" in fixtures:
            # One that was killed a moment ago may still be on its way out.
            deadline = time.monotonic() + 10
            while orphans() and time.monotonic() < deadline:
                time.sleep(0.05)
            found = [(pid, command(pid)) for pid in orphans()]
            yield from (f"a process, {pid}: {what}" for pid, what in found if what != "ended")
        for fixture in watched.keys() & fixtures:
            state, start = watched[fixture]
            now = state()
            yield from (
                f"{fixture.strip('_')}: {part} was {printed(start[part])}, is {printed(now[part])}"
                for part in start
                if now[part] != start[part]
            )
        yield from valkey_keys.leftovers()
        if "_django_db_helper" in item.funcargs or "django_db_setup" in fixtures:
            from tests.support import rows

            yield from rows.leftovers()


def pytest_configure(config):
    """Look in processes that run tests."""
    config.pluginmanager.register(Leftovers(), "celeriac-leftovers")
