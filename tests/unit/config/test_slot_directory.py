"""Where workers keep their slots when nobody says: never where a cleaner comes."""

import os
import runpy
import tempfile
from pathlib import Path

import pytest
import yaml

from celeriac.settings import read_settings
from tests.support.servers import ROOT

PARTS = str(ROOT / "config" / "settings" / "parts" / "celeriac.py")


@pytest.mark.parametrize(
    ("uid", "environment", "expected"),
    [
        (0, {"HOME": "/root"}, "/var/lib/celeriac/slots"),
        (1000, {"HOME": "/people/ann"}, "/people/ann/.local/state/celeriac/slots"),
        (1000, {"HOME": "/h", "XDG_STATE_HOME": "/data"}, "/data/celeriac/slots"),
        (1000, {"HOME": "/h", "XDG_STATE_HOME": "state"}, "/h/.local/state/celeriac/slots"),
        (0, {"STATE_DIRECTORY": "/var/lib/jobs:/var/lib/b"}, "/var/lib/jobs/slots"),
        (0, {"CELERIAC_SLOT_DIRECTORY": "/srv/slots"}, "/srv/slots"),
    ],
    ids=["root", "user", "XDG", "XDG that is no path", "systemd", "named"],
)
def test_the_default_is_a_place_that_no_cleaner_visits(monkeypatch, uid, environment, expected):
    """A removed folder would cost whatever a dead worker's children had done."""
    for name in ("HOME", "XDG_STATE_HOME", "STATE_DIRECTORY", "CELERIAC_SLOT_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    found = Path(read_settings(runpy.run_path(PARTS)["CELERIAC"]).SLOT_DIRECTORY)
    assert found == Path(expected)
    assert not found.is_relative_to(tempfile.gettempdir())


def test_every_worker_of_the_compose_file_has_its_slots_on_a_volume():
    """Its root is read-only, and its /tmp is memory that goes with the container."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    programs = {"--app=config", "manage.py"}
    commands = [each for each in services.values() if programs & set(each.get("command", []))]
    ledger = [each for each in commands if "worker" in each["command"]]
    assert ledger
    for each in ledger:
        place = Path(each["environment"]["CELERIAC_SLOT_DIRECTORY"])
        mounted = [Path(volume.split(":")[1]) for volume in each["volumes"]]
        assert any(place.is_relative_to(mount) for mount in mounted)
