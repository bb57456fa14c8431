import re
import subprocess
import sys
import tomllib

import pytest
from honcho.environ import parse_procfile

from tests.architecture.source import ROOT, tracked_files

#: Written in pieces, so that this file does not name them either.
HOSTS = ["pypi." + "org", "pythonhosted." + "org", "npmjs." + "org", "proxy.golang." + "org"]
#: Options that lead to one.
HOSTS += ["index-" + "url"]
MACHINES = re.compile(
    "(?<![\\w.{}])/(?:" + "|".join(["root", "home", "Users", "work", "opt"]) + ")/\\w"
)


def make(*arguments):
    """Run make and return what it did."""
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def phony():
    """Return the names of the Makefile's commands."""
    lines = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {name for line in lines for name in line.split()}


def test_no_file_names_a_registry():
    """Where packages come from is each machine's own configuration."""
    text = {path: path.read_text(errors="replace") for path in tracked_files()}
    assert not [f"{path}: {host}" for path, body in text.items() for host in HOSTS if host in body]


def test_no_file_names_a_place_on_somebodys_machine():
    """A clone works wherever it lies."""
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in tracked_files()
        for line in path.read_text(errors="replace").splitlines()
        if MACHINES.search(line)
    ]
    assert not found


@pytest.mark.parametrize("name", ["base", "dev", "tools", "uv"])
def test_every_requirement_is_pinned_with_hashes(name):
    """What is installed is what was tested."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert lines
    assert not [line for line in lines if "==" not in line or "--hash=sha256:" not in line]


def test_every_dependency_is_justified_in_one_line():
    """docs/dependencies.md says why each is here."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = read["project"], read["dependency-groups"]
    sets = [*project["optional-dependencies"].values(), *groups.values()]
    extras = [line for extra in sets for line in extra]
    wanted = [line for line in project["dependencies"] + extras if "celeriac[" not in line]
    names = {re.split(r"[\[<>=~! ]", line)[0] for line in wanted}
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    assert names == set(re.findall(r"^\| `([\w-]+)` \|", reasons, re.MULTILINE)) - {"uv"}


def test_help_lists_every_command():
    """A target without a word of help is a secret."""
    listed = re.findall(r"^  make ([\w-]+)", make("help").stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony())


def test_every_make_command_that_the_docs_name_exists():
    """Nobody should type a command from the README and fail."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"`make ([\w-]+)", page.read_text())}
    assert named <= phony()


def test_the_procfile_names_every_part_of_the_platform():
    """The parts of DESIGN's picture, and the stand-ins for the world outside."""
    parts = parse_procfile((ROOT / "Procfile").read_text()).processes
    expected = "web dispatcher worker worker-payments plain beat flower gateway mailsink"
    assert set(parts) == set(expected.split())


def test_flower_refuses_to_run_open():
    """Without a login the command ends before Flower starts."""
    command = parse_procfile((ROOT / "Procfile").read_text()).processes["flower"]
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={"PATH": "/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "FLOWER_BASIC_AUTH" in done.stderr


def test_the_compose_file_fits_the_compose_schema():
    """No Docker engine is needed to see a misspelt key."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", "docker-compose.yml"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


#: Projects in tests, whose own tables a `migrate` of their own makes.
MIGRATED = ("host", "tenants", "tenants/goods")


def test_tests_are_packages_only_where_a_tool_needs_it():
    """Why each is one stands in docs/decisions/conventions-we-depart-from.md."""
    found = {
        str(path.parent.relative_to(ROOT))
        for path in tracked_files()
        if path.name == "__init__.py" and path.relative_to(ROOT).parts[0] == "tests"
    }
    names = ("app", "chaos", "host", "model", "support", "tenants", "tenants/goods")
    kept = {f"tests/{name}" for name in (*names, *(f"{name}/migrations" for name in MIGRATED))}
    assert found - {"tests"} == kept
