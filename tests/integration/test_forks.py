"""The fork server's programs are what a start of Python makes of the same command."""

import json
import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Programs are forked on Linux.")
#: Prints what a program can know of its start, then ends as its last argument says.
PROGRAM = """
import json, os, signal, sys, threading
from django.conf import settings
numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
started = {
    "arguments": sys.argv,
    "blocked": [str(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "buffered": sys.stdout.line_buffering,
    "directory": os.getcwd(),
    "environment": dict(os.environ),
    "files": sorted(os.listdir("/proc/self/fd")),
    "handlers": [str(signal.getsignal(number)) for number in numbers],
    "leads": os.getsid(0) == os.getpid(),
    "main": sys.modules["__main__"].__name__,
    "name": __name__,
    "ours": [name for name in sys.modules if name.split(".")[0] in ("celeriac", "config")],
    "parent": os.getppid(),
    "path": sys.path,
    "settings": settings.configured,
    "threads": threading.active_count(),
}
print(json.dumps(started), flush=True)
end = sys.argv[-1]
sys.exit(int(end)) if end.isdigit() else os.kill(os.getpid(), getattr(signal, end))
"""


@pytest.fixture
def start(forks, tmp_path):
    """Return a starter of a command, forked or not; it returns the exit code and the output."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "module.py").write_text(PROGRAM)
    env = {"PATH": "/bin", "GIVEN": "word", "HOME": "/", **python_variables()}

    def run(*arguments, is_forked):
        command = [sys.executable, *arguments]
        with (tmp_path / "output").open("w+b") as output:
            if is_forked:
                assert forks.can_start(command, env)
                process = forks.start(command, env=env, cwd=tmp_path, output=output)
            else:
                process = subprocess.Popen(
                    command,
                    env=env,
                    cwd=tmp_path,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            assert process.wait(30) == process.poll() == process.returncode
            output.seek(0)
            return process.returncode, json.loads(output.read())

    return run


def python_variables():
    """Return the variables that Python reads when it starts."""
    return {n: v for n, v in os.environ.items() if n.startswith(("PYTHON", "LC_", "LANG", "LD_"))}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["program.py", "an argument", "0"], 0),
        (["program.py", "3"], 3),
        (["-m", "module", "--option", "4"], 4),
        (["-m", "module", "SIGKILL"], -signal.SIGKILL),
    ],
)
def test_a_fork_is_like_a_start(start, arguments, code):
    """Arguments, environment, files, session, handlers, parent and end are the same."""
    forked, started = (start(*arguments, is_forked=each) for each in (True, False))
    assert forked == started
    assert (forked[0], forked[1]["parent"]) == (code, os.getpid())


def test_another_python_is_started(forks):
    """What Python reads only at its start can't be given to a fork."""
    env = dict(os.environ)
    assert forks.can_start([sys.executable, "manage.py"], env)
    assert not forks.can_start([sys.executable, "-c", "pass"], env)
    assert not forks.can_start([sys.executable, "manage.py"], env | {"PYTHONWARNINGS": "error"})
    assert not forks.can_start(["/bin/sh", "manage.py"], env)
