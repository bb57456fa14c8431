"""What the documentation names is there, and what is public is documented."""

import ast
import inspect
import re
import textwrap
from types import ModuleType

import pytest

import celeriac
import celeriac.celery
import celeriac.testing
from celeriac.jobs.states import EDGES
from tests.architecture.source import ROOT, tracked_files

PAGES = [path for path in tracked_files() if path.suffix == ".md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
#: Where celeriac.testing and the two doors have names of their own.
DOORS = [(door, name) for door in (celeriac, celeriac.testing) for name in door.__all__]
DOORS += [(celeriac.celery, name) for name in ("Celery", "shared_task", "Reject")]


def anchors(path):
    """Return the anchors of a page's headings, as the site and the repository's pages make them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", each) for each in HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in plain}


def links(path):
    """Return a page's links to other files of the clone, as (file, anchor)."""
    for link in LINK.findall(CODE.sub("", path.read_text())):
        if "://" not in link and not link.startswith("mailto:"):
            name, _, anchor = link.partition("#")
            yield (path.parent / name).resolve() if name else path, anchor


def test_every_link_of_the_pages_leads_somewhere():
    """To a file that is there, and to a heading of it."""
    broken = [
        f"{page.relative_to(ROOT)}: {target.name}#{anchor}"
        for page in PAGES
        for target, anchor in links(page)
        if not target.exists() or (anchor and anchor not in anchors(target))
    ]
    assert broken == []


def test_every_page_stands_on_a_shelf():
    """A page that docs/README.md does not name is found by nobody."""
    shelved = {target for target, _ in links(ROOT / "docs" / "README.md")}
    assert {*(ROOT / "docs").glob("*.md")} - {ROOT / "docs" / "README.md"} <= shelved


def test_the_picture_of_the_states_is_their_table():
    """Each edge of states.py, and no other, is a word at an arrow."""
    picture = (ROOT / "docs/pictures/states.svg").read_text()
    drawn = set(re.findall(r'id="(\w+-\w+-\w+)"', picture))
    assert drawn == {
        f"{(before or 'none')}-{verb}-{after}" for (before, verb), after in EDGES.items()
    }


def test_the_picture_of_the_parts_is_in_the_readme_too():
    """Its first screen has a picture that is there."""
    assert re.search(r"!\[.+\]\(docs/pictures/platform\.svg\)", (ROOT / "README.md").read_text())


@pytest.mark.parametrize(("door", "name"), DOORS, ids=lambda each: getattr(each, "__name__", each))
def test_a_public_name_is_documented(door, name):
    """With what it raises itself, and with the unit of each number that may be a fraction."""
    value = getattr(door, name)
    if not (isinstance(value, ModuleType) or inspect.isclass(value) or callable(value)):
        home = door._HOMES[name].replace(".", "/") + ".py"
        assert re.search(rf"^#: .*\n(?:#: .*\n)*{name}\b", (ROOT / home).read_text(), re.MULTILINE)
        return
    said = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    assert said
    assert not said.startswith(f"{name}(")  # a dataclass's own
    if inspect.isfunction(value):
        tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
        raised = {
            node.exc.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Raise)
            and isinstance(node.exc, ast.Call)
            and isinstance(node.exc.func, ast.Name)
            and node.exc.func.id[0].isupper()
        }
        assert [error for error in raised if error not in said] == []
        parameters = inspect.signature(value).parameters.values()
        if any("float" in str(each.annotation) for each in parameters):
            assert re.search(r"second|day|minor unit", said)
