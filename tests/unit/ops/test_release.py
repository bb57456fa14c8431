"""Releases, the site and the public CI: what of them can be judged without making one."""

import json
import re

import pytest

import celeriac
from sandbox import release
from sandbox.site import __main__ as site, hooks, reference
from tests.support.servers import ROOT

LOG = "# Changes\n\n## Unreleased\n\n- New.\n\n## 0.1.0 (2026-01-01)\n\n- Old.\n"


def test_a_release_bears_its_section_of_the_change_log():
    """Its own, else what is unreleased; one without a line is refused."""
    assert release.section_of(LOG, "0.1.0") == "- Old."
    assert release.section_of(LOG, "0.2.0") == "- New."
    assert release.section_of((ROOT / "CHANGELOG.md").read_text(), celeriac.__version__)
    with pytest.raises(release.Refused, match=r"no line for 0\.2\.0"):
        release.section_of(LOG.replace("- New.\n", ""), "0.2.0")


def test_a_released_section_gets_its_day_and_an_empty_one_stands_above():
    """Twice is once."""
    once = release.dated(LOG, "0.2.0", "2026-02-03")
    assert "## Unreleased\n\n## 0.2.0 (2026-02-03)\n\n- New." in once
    assert release.dated(once, "0.2.0", "2026-02-04") == once


@pytest.mark.parametrize("version", ["0.2", "v0.2.0", "0.2.0", "0.1.9", "0.10.0"])
def test_a_version_that_is_not_newer_is_refused(version):
    """By number, not by letter."""
    with pytest.raises(release.Refused):
        release.refuse_old(version, ["v0.1.0", "v0.10.0", "v0.2.0", "nightly"])


def test_a_newer_version_is_taken():
    """Tags of another shape are none of a release."""
    release.refuse_old("0.11.0", ["v0.9.0", "v0.10.0", "v1"])


def test_the_version_stands_in_one_place():
    """The packaging reads it from the door."""
    assert release.version_in((ROOT / "celeriac/__init__.py").read_text()) == celeriac.__version__
    assert f'"{celeriac.__version__}"' not in (ROOT / "pyproject.toml").read_text()


def test_the_switch_of_versions_names_each_that_was_built(tmp_path):
    """Newest first by number, and the root leads to the newest."""
    for version in ("0.9", "0.10"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "index.html").touch()
    site.list_versions(tmp_path, newest="0.10")
    listed = json.loads((tmp_path / "versions.json").read_text())
    assert [(each["version"], each["aliases"]) for each in listed] == [
        ("0.10", ["latest"]),
        ("0.9", []),
    ]
    assert "url=0.10/index.html" in (tmp_path / "index.html").read_text()


def test_the_reference_names_the_whole_door():
    """Each public name of the library, as type checkers see it."""
    assert sorted(reference.public_names(ROOT / "celeriac/__init__.py")) == celeriac.__all__
    entries = "\n".join(reference._entries("celeriac"))
    assert "Also:" not in entries
    assert "::: celeriac.jobs.models.job.Job" in entries


def test_links_to_outside_of_docs_lead_into_the_site():
    """To a page's copy, or to a source's."""
    text = "[a](../README.md#x) [b](../celeriac/settings.py) [c](jobs.md) [d](#here)"
    assert hooks._rewritten("docs/library.md", text) == (
        "[a](about/readme.md#x) [b](source/celeriac/settings.py.txt) [c](jobs.md) [d](#here)"
    )


def test_the_public_ci_runs_what_everybody_runs():
    """With each action pinned by its commit."""
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    assert "run: .ci/run" in text
    assert all(
        re.search(r"@[0-9a-f]{40} # v", line) for line in text.splitlines() if "uses:" in line
    )
