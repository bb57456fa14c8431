import contextlib
import json
import os
import signal
import subprocess
import sys
from uuid import UUID

import httpx
import psutil
import pytest

from sandbox import ports
from sandbox.procfile import RELOADED
from tests.support.examples import examples, run_example
from tests.support.processes import wait_until
from tests.support.servers import ROOT

UP = "Celeriac is up."


@pytest.fixture
def platform(processes, run_directory):
    """Return a `make up` that starts, with a home of its own, and that home."""
    home = run_directory / f"home-{os.urandom(4).hex()}"
    ours = ("DATABASE_URL", "BROKER_URL", "CACHE_URL")
    env = {"CELERIAC_HOME": str(home), **dict.fromkeys(ours, "")}
    (run_directory / "watched").mkdir(exist_ok=True)
    env["CELERIAC_WATCHED"] = str(run_directory / "watched")
    env["DJANGO_SETTINGS_MODULE"] = "config.settings.development"
    return processes.python("up", "-m", "sandbox.up", env=env), home


def status(url, login=None):
    """Return the status code of a GET."""
    auth = httpx.BasicAuth(*login.split(":")) if login else None
    return httpx.get(url, auth=auth, timeout=30).status_code


def is_alive(process):
    """Say whether a process runs; a zombie has ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(platform, how):
    """Bring the platform to its end."""
    match how:
        case "ctrl-c":
            platform.send_group(signal.SIGINT)
        case "sigkill":
            platform.send(signal.SIGKILL)
        case "a part dies":
            web_server(platform).kill()
    return platform.wait(timeout=120)


def web_server(platform):
    """Return the web server's first process, or None while there is none."""
    family = {process.pid: process for process in platform.children()}
    for process in family.values():
        with contextlib.suppress(psutil.Error):
            if (
                "config.web" in process.cmdline()
                and "sandbox.reloading" in process.parent().cmdline()
            ):
                return process
    return None


def change_code(launcher, home, directory):
    """See that changed code is loaded: at the same address, by a process of its own."""
    before = web_server(launcher)
    (directory / "changed.py").write_text("x = 1")
    wait_until(lambda: web_server(launcher) not in (None, before), timeout=120)
    url = json.loads((home / "env.json").read_text())["WEB_PORT"]
    ports.wait_for_port(int(url), timeout=120)
    wait_until(
        lambda: launcher.output.count("starts again: code has changed") == len(RELOADED),
        timeout=120,
    )


def check_the_banner(home):
    """See that admin and Flower answer as the banner promises, Flower behind login and password."""
    env = json.loads((home / "env.json").read_text())
    assert (home / "env.json").stat().st_mode & 0o077 == 0
    web, flower = (f"http://127.0.0.1:{env[name]}" for name in ("WEB_PORT", "FLOWER_PORT"))
    assert status(f"{web}/admin/login/") == 200
    assert status(f"{web}/flower/") == 302
    assert status(f"{flower}/flower/") == 401
    assert status(f"{flower}/flower/", login=env["FLOWER_BASIC_AUTH"]) == 200


ACCOUNT = """
from celeriac.http import services
from celeriac.http.models import Grant, ServiceAccount
account = ServiceAccount.objects.create(name="examples")
Grant.objects.create(account=account, kinds="maintenance.*", queues="*", verbs=["enqueue", "read"])
print(services.make_secret(account=account, actor="test"))
"""


def run_the_examples(home):
    """See that the docs' examples run as they stand, with an account and nothing else."""
    env = json.loads((home / "env.json").read_text())
    made = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", ACCOUNT],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    given = {
        "CELERIAC_URL": f"http://127.0.0.1:{env['WEB_PORT']}",
        "CLIENT_ID": "examples",
        "CLIENT_SECRET": made.stdout.strip(),
    }
    for language, command in examples().items():
        job_id, state = run_example(*command, **given, KEY=language)
        assert (UUID(job_id).version, state) == (7, "succeeded"), language


def test_the_platform_serves_and_leaves_nothing_behind(platform, run_directory):
    """The banner holds, the docs' examples run, code is reloaded; an ordered stop is no failure."""
    launcher, home = platform
    launcher.wait_for_output(UP, timeout=200)
    check_the_banner(home)
    run_the_examples(home)
    change_code(launcher, home, run_directory / "watched")
    family = launcher.children()
    assert end(launcher, "ctrl-c") == 0
    check_nothing_is_left(family, home)


@pytest.mark.parametrize(("how", "code"), [("sigkill", {-9}), ("a part dies", range(1, 256))])
def test_nothing_is_left_of_a_platform_that_is_ended_while_it_starts(platform, how, code):
    """Every part is there, none has come far; a lost part is a failure."""
    launcher, home = platform
    wait_until(lambda: has_all_parts(launcher), timeout=200, message=launcher.output)
    family = launcher.children()
    assert end(launcher, how) in code
    check_nothing_is_left(family, home)


def has_all_parts(launcher):
    """Return whether servers and every part of the Procfile have started."""
    assert launcher.is_running, launcher.output
    names = set()
    for process in launcher.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            names.add(process.name())
    return names >= {"postgres", "valkey-server", "celery"} and web_server(launcher) is not None


def check_nothing_is_left(family, home):
    """See that no process and no temporary file is left."""
    assert len(family) > 10
    wait_until(lambda: not any(map(is_alive, family)), timeout=120)
    assert not (home / "tmp").exists() or not any((home / "tmp").iterdir())
