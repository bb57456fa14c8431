"""A laptop: ports that stay, code that is loaded again, an environment that others share."""

import json
import os
import socket
import subprocess
import sys

import pytest

from sandbox import platform, ports, reloading
from sandbox.procfile import RELOADED, parts_of_laptop, parts_of_procfile
from tests.support.processes import wait_until
from tests.support.servers import ROOT


@pytest.fixture
def chosen(monkeypatch):
    """Let the environment name no port."""
    for name in platform.PORTS:
        monkeypatch.delenv(name, raising=False)


def ports_of(settings):
    """Return the ports that were chosen."""
    return {name: settings[name] for name in platform.PORTS}


def test_a_checkout_keeps_its_ports_while_nobody_else_has_them(chosen, tmp_path, monkeypatch):
    """Bookmarks live on; a port that is taken, or that somebody names, gives way."""
    memory = tmp_path / "ports.json"
    first = ports_of(platform.settings(memory=memory))
    assert len(set(first.values())) == len(first)
    assert ports_of(platform.settings(memory=memory)) == first
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, int(first["WEB_PORT"])))
        taken.listen()
        second = ports_of(platform.settings(memory=memory))
    assert second["WEB_PORT"] != first["WEB_PORT"]
    assert second | {"WEB_PORT": ""} == first | {"WEB_PORT": ""}
    assert ports_of(platform.settings(memory=memory)) == second
    monkeypatch.setenv("WEB_PORT", "15432")
    assert platform.settings(memory=memory)["WEB_PORT"] == "15432"


def test_a_second_checkout_never_takes_the_first_ones_ports(chosen, tmp_path):
    """Each keeps its own memory; what listens is in nobody's way."""
    first = ports_of(platform.settings(memory=tmp_path / "a.json"))
    (tmp_path / "b.json").write_text(json.dumps(first))
    listening = [socket.create_server((ports.LOOPBACK, int(port))) for port in first.values()]
    second = ports_of(platform.settings(memory=tmp_path / "b.json"))
    for server in listening:
        server.close()
    assert not set(first.values()) & set(second.values())


def test_a_port_is_free_though_a_connection_of_it_has_just_ended():
    """Else each restart would move."""
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((ports.LOOPBACK, port)) as client:
            peer, _ = server.accept()
            peer.close()  # the server's side ends first and lingers
            client.recv(1)
    assert ports.free_port(port) == port


def test_who_joins_sees_what_the_first_command_was_told(monkeypatch):
    """A variable that `make up` was given holds for `make shell`; strangers' stay at home."""
    monkeypatch.setenv("CALLBACK_ALLOWED_HOSTS", "a.example")
    monkeypatch.setenv("WEB_PORT", "15432")
    monkeypatch.setenv("SOMETHING_ELSE", "private")
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    published = platform.shared({"WEB_PORT": "1", "SMTP_PORT": "2"})
    assert published["CALLBACK_ALLOWED_HOSTS"] == "a.example"
    assert (published["WEB_PORT"], published["SMTP_PORT"]) == ("15432", "2")
    assert published["DJANGO_SETTINGS_MODULE"] == "config.settings.test"
    assert not {"SOMETHING_ELSE", "LOG_LEVEL"} & set(published)


def test_make_reloads_what_runs_our_code_and_nothing_else():
    """Production's Procfile stays as it is."""
    laptop, plain = parts_of_laptop(), parts_of_procfile()
    assert {name for name in plain if laptop[name] != plain[name]} == set(RELOADED)
    assert set(plain) - set(RELOADED) == {
        "flower",
        "gateway",  # here only
        "mailsink",
    }


PART = """
import sys
from sandbox.reloading import Part
sys.exit(Part("part", f"exec {sys.executable} {sys.argv[1]}").run())
"""
SAY = "import time\nprint('running', {}, flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def part(tmp_path):
    """Yield a reloaded part that runs a file of ours: the file, its output, and the process."""
    code, output = tmp_path / "code" / "app.py", tmp_path / "output"
    code.parent.mkdir()
    code.write_text(SAY.format(1))
    with output.open("w") as out:
        started = subprocess.Popen(
            [sys.executable, "-c", PART, code],
            cwd=ROOT,
            env=os.environ | {"CELERIAC_WATCHED": str(code.parent)},
            stdout=out,
            stderr=out,
        )
    yield code, output, started
    started.terminate()
    started.wait(60)


def test_a_part_starts_again_when_its_code_changes_and_ends_when_told(part):
    """Broken code waits for the next change instead of ending the platform."""
    code, output, process = part
    seen = output.read_text
    wait_until(lambda: "running 1" in seen())
    code.write_text(SAY.format(2))
    wait_until(lambda: "running 2" in seen())
    assert "part starts again: code has changed" in seen()
    (code.parent / "notes.txt").write_text("no code")
    code.write_text("raise SystemExit(7)")
    wait_until(lambda: "part ended with 7: waiting for the next change" in seen())
    new = code.parent / "package" / "module.py"
    new.parent.mkdir()
    code.write_text(SAY.format(3))
    wait_until(lambda: "running 3" in seen())
    new.write_text("x = 1")
    wait_until(lambda: seen().count("running 3") == 2)
    process.terminate()
    assert process.wait(60) == -15 % 256 or process.returncode < 0
    assert seen().count("starts again") == 4


def test_a_part_that_ends_by_itself_ends_the_run(tmp_path):
    """As without a reload: the platform must not go on without it."""
    code = tmp_path / "app.py"
    code.write_text("raise SystemExit(3)")
    done = subprocess.run(
        [sys.executable, "-c", PART, code],
        cwd=ROOT,
        env=os.environ | {"CELERIAC_WATCHED": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert done.returncode == 3


def test_only_code_that_a_process_may_import_is_watched():
    """Not the tests, nor what is redacted."""
    seen = [os.path.relpath(path, ROOT) for path in reloading.snapshot(ROOT)]
    assert {"manage.py", "config/celery.py", "apps/accounts/models.py"} <= set(seen)
    assert [path for path in seen if path.startswith(("tests/", ".", "bench/"))] == []
