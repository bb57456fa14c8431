"""What pyproject.toml promises, the matrix runs: the ranges and the corners agree."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.servers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RANGES = {each.name: each.specifier for each in map(Requirement, PROJECT["dependencies"])}
TOX = tomllib.loads((ROOT / "tox.toml").read_text())
FILES = sorted((ROOT / "requirements" / "matrix").glob("*.txt"))


def pins(file):
    """Return the versions that a file of requirements pins."""
    found = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", file.read_text(), re.MULTILINE)
    return {name: Version(version) for name, version in found}


def lowest(specifier):
    """Return the version that a range begins with."""
    return next(Version(each.version) for each in specifier if each.operator == ">=")


def beyond(specifier):
    """Return the version that a range ends before, None where it is open."""
    return next((Version(each.version) for each in specifier if each.operator == "<"), None)


def test_the_oldest_corner_is_where_the_ranges_begin():
    """Each of them, and the oldest Python."""
    oldest = pins(ROOT / "requirements" / "matrix" / "oldest.txt")
    assert {name: lowest(each) for name, each in RANGES.items()} == {
        name: oldest[name] for name in RANGES
    }
    python = TOX["env"]["oldest"]["base_python"][0]
    assert PROJECT["requires-python"] == f">={python}"


def test_the_newest_corner_is_the_last_series_that_the_ranges_take():
    """Of Django and Celery; of others the last major version."""
    newest = pins(ROOT / "requirements" / "dev.txt")
    for name, specifier in RANGES.items():
        assert newest[name] in specifier
        if (end := beyond(specifier)) is not None:
            last = newest[name].release[: len(end.release)]
            assert (*last[:-1], last[-1] + 1) == end.release, name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_corner_lies_within_the_ranges(file):
    """And is one that is run."""
    for name, version in pins(file).items():
        assert name.removesuffix("-binary") not in RANGES or (
            version in RANGES[name.removesuffix("-binary")]
        )
    used = [each.get("set_env", TOX["env_run_base"]["set_env"]) for each in TOX["env"].values()]
    assert any(file.name in each["UV_OVERRIDE"] for each in used)


def test_every_corner_is_run():
    """Those of the list are those that are described, and Python's newest is ours."""
    assert sorted(TOX["env_list"]) == sorted(TOX["env"])
    ours = (ROOT / ".python-version").read_text().strip()
    assert TOX["env_run_base"]["base_python"] == [ours]
