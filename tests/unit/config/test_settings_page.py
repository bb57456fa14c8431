"""docs/settings.md has every variable and every setting of the code, and no others."""

import re

import pytest

from tests.support.servers import ROOT
from tests.support.settings import keys, settings, variables

PAGE = (ROOT / "docs" / "settings.md").read_text()


def rows(title):
    """Return the default of each row of a table, and see that each says what it means."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]
    found = re.findall(r"^\| `(\w+)` \| `([^|]*)` \| (.*) \|$", section, re.MULTILINE)
    assert [name for name, _, meaning in found if len(meaning) < 5] == []
    assert len(found) == len({name for name, *_ in found})
    return {name: default for name, default, _ in found}


@pytest.mark.parametrize(
    ("title", "code"),
    [("Variables", variables), ("Keys of CELERIAC", keys)],
)
def test_the_page_has_what_the_code_has(title, code):
    """Names and defaults, both ways; what is missing is printed as the row to write."""
    page, here = rows(title), code()
    missing = [f"| `{name}` | `{here[name]}` | … |" for name in here if name not in page]
    assert missing == [], f"docs/settings.md, {title}: write these rows"
    assert sorted(set(page) - set(here)) == [], "docs/settings.md names what no code reads"
    assert page == here


def test_no_setting_of_ours_stands_elsewhere():
    """Each is a key of CELERIAC, or has a variable."""
    assert settings() == {}


def test_nothing_of_the_platform_reads_the_environment_past_the_reader():
    """Or the page would not know."""
    readers = {"celeriac/core/environment.py", "celeriac/settings.py", "config/web.py"}
    past = []
    for folder in ("celeriac", "apps", "config", "tasks"):
        for file in (ROOT / folder).rglob("*.py"):
            name = str(file.relative_to(ROOT))
            lines = re.findall(r".*os\.(?:environ|getenv).*", file.read_text())
            past += [(name, line) for line in lines if "DJANGO_SETTINGS_MODULE" not in line]
    assert [each for each in past if each[0] not in readers] == []
