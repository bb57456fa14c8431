"""As many web workers as the container's processors bear."""

import os
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from gunicorn.config import Config

from config import web
from tests.support.servers import ROOT


@pytest.fixture
def machine(monkeypatch):
    """Let the machine have 16 processors."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)


def cgroups(directory, membership, **files):
    """Write control groups: files by path, with `__` for a slash and `_at_` for a dot."""
    (directory / "membership").write_text(membership)
    for path, text in files.items():
        file = directory / "groups" / path.replace("__", "/").replace("_at_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return {"root": directory / "groups", "memberships": directory / "membership"}


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {}, 16),
        ("0::/\n", {"cpu_at_max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu_at_max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu_at_max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu_at_max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu_at_max": "6400000 100000\n"}, 16),
        ("0::/a/b\n", {"a__cpu_at_max": "400000 100000\n", "a__b__cpu_at_max": "max 100000"}, 4),
        (
            "4:memory:/x\n2:cpu,cpuacct:/\n0::/\n",
            {"cpu__cpu_at_cfs_quota_us": "300000\n", "cpu__cpu_at_cfs_period_us": "100000\n"},
            3,
        ),
        (
            "2:cpu:/gone\n",
            {"cpu__cpu_at_cfs_quota_us": "-1\n", "cpu__cpu_at_cfs_period_us": "100000\n"},
            16,
        ),
    ],
)
def test_processors_are_those_of_the_container(machine, tmp_path, membership, files, expected):
    """Its quota, rounded up, in either version of control groups, its own or one above it."""
    assert web.processors(**cgroups(tmp_path, membership, **files)) == expected


def test_workers_are_twice_the_processors_and_one_unless_the_environment_says(machine, monkeypatch):
    """A blank says nothing; none at all is refused."""
    monkeypatch.setattr(web, "processors", lambda: 4)
    assert web.workers() == 9
    for text, count in (("", 9), (" ", 9), ("3", 3), (" 12 ", 12)):
        monkeypatch.setenv("WEB_CONCURRENCY", text)
        assert web.workers() == count
    for text in ("0", "-1", "two", "2.5"):
        monkeypatch.setenv("WEB_CONCURRENCY", text)
        with pytest.raises(ImproperlyConfigured, match="WEB_CONCURRENCY"):
            web.workers()


def test_an_option_given_overrules_ours(monkeypatch):
    """The image listens on all addresses; elsewhere WEB_PORT of loopback."""
    monkeypatch.setenv("WEB_PORT", "1234")
    assert "--bind=127.0.0.1:1234" in web.options([])
    assert [o for o in web.options(["--bind=0.0.0.0:8000"]) if "bind" in o] == [
        "--bind=0.0.0.0:8000"
    ]


@pytest.mark.parametrize(("given", "believed"), [("", []), ("10.0.0.1", ["10.0.0.1"])])
def test_the_web_server_believes_no_proxy_that_nobody_declared(given, believed):
    """By itself gunicorn takes X-Forwarded-Proto from whoever connects from this machine."""
    own = [f"--forwarded-allow-ips={given}"] if given else []
    config = Config()
    read = config.parser().parse_args(web.options(own))
    config.set("forwarded_allow_ips", read.forwarded_allow_ips)
    assert [str(each) for each in config.forwarded_allow_ips] == believed


def test_image_and_procfile_start_the_same_web_server():
    """Neither names a number of workers of its own."""
    for file in ("Dockerfile", "Procfile"):
        text = (ROOT / file).read_text()
        assert "config.web" in text
        assert "--workers" not in text
        assert "gunicorn" not in text
