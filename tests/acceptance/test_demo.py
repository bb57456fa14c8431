"""`make demo` itself: whole runs, with real processes of their own."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from sandbox.demo.stage import PLATFORM
from sandbox.supervisor import TOKEN
from tests.support.processes import wait_until
from tests.support.servers import ROOT

#: Seconds: a run takes about a minute, more where others use the machine.
DEADLINE = 540
pytestmark = pytest.mark.timeout(DEADLINE + 30)


@pytest.fixture
def demo(tmp_path):
    """Return a starter of demos; their output goes to a file, and none outlives the test."""
    started = []

    def start(*arguments, **env):
        with (tmp_path / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.demo", *arguments],
                cwd=ROOT,
                env={**clean_environment(), **env},
                stdout=output,
                stderr=output,
            )
        started.append(process)
        process.output = (tmp_path / "output").read_text
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(60)


def clean_environment():
    """Return this environment without what this test run put there for its own programs."""
    ours = {"DJANGO_SETTINGS_MODULE", "DATABASE_URL", "BROKER_URL", "CACHE_URL", "SEED", "ORDERS"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def parts(demo):
    """Return the processes of a running demo: those that carry its supervisor's mark."""
    mark = next(mark for child in demo.children() if (mark := child.environ().get(TOKEN)))
    return [process for process in psutil.process_iter() if carries(process, mark)]


def carries(process, mark):
    """Say whether a process carries the mark."""
    try:
        return process.environ().get(TOKEN) == mark
    except psutil.Error:
        return False


def is_gone(process):
    """Say whether a process has ended; a zombie has."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def test_the_books_balance_though_everything_goes_wrong(demo, tmp_path):
    """A worker dies, the gateway goes down, the broker is emptied: each order is settled once.

    A proxy for the world outside does not matter, and no file is left in a home directory.
    """
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "SEED": "11", "HTTP_PROXY": "http://127.0.0.1:9"}
    process = demo("--orders", "60", "--outage-seconds", "3", **env)
    assert process.wait(DEADLINE) == 0, process.output()
    text = process.output()
    assert "The books balance." in text
    for happened in ("SIGKILL", "the gateway is down", "FLUSHALL", "60 orders", "120 succeeded"):
        assert happened in text, text
    assert list(home.iterdir()) == []


def end_in_the_middle(process, number, *, once):
    """End the demo by a signal once that is so; see that no process and no data is left."""
    wait_until(lambda: once() or process.poll() is not None, timeout=200)
    assert once(), process.output()
    running = parts(psutil.Process(process.pid))
    assert len(running) > 10
    state = next((ROOT / ".local" / "demo").glob(f"{process.pid}-*")) / "state"
    process.send_signal(number)
    process.wait(120)
    wait_until(lambda: all(is_gone(each) for each in running), timeout=120)
    wait_until(lambda: not state.exists(), timeout=60)


def test_nothing_is_left_when_the_demo_is_ended_in_the_middle(demo):
    """By Ctrl-C: no process, and no data directory."""
    process = demo("--orders", "200", "--clients", "1")
    end_in_the_middle(process, signal.SIGINT, once=lambda: "clients place" in process.output())


def test_nothing_is_left_when_the_demo_is_killed(demo):
    """While its platform starts: its last part is there, and none has come far."""
    process = demo("--orders", "200", "--clients", "1")
    last = f"{process.pid}-*/logs/{PLATFORM[-1]}.log"
    started = (ROOT / ".local" / "demo").glob
    end_in_the_middle(process, signal.SIGKILL, once=lambda: any(started(last)))
