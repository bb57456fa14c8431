import statistics
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.architecture.source import (
    ROOT,
    functions,
    import_graph,
    imports,
    private_uses,
    python_files,
)

OURS = {"celeriac", "apps", "tasks", "config", "sandbox", "bench"}


def test_no_function_is_longer_than_forty_lines():
    """Long functions hide steps."""
    sizes = [(p, *found) for p in python_files() for found in functions(p)]
    long = [f"{p.relative_to(ROOT)}:{name} has {n}" for p, name, n in sizes if n > 40]
    assert not long


def test_the_median_function_is_short():
    """The listing of a module should read as the flow."""
    ours = [p for p in python_files() if "tests" not in p.parts]
    assert statistics.median(n for p in ours for _, n in functions(p)) <= 12


def test_no_file_is_longer_than_three_hundred_lines():
    """One file, one verb; tests may be longer."""
    ours = [p for p in python_files() if "tests" not in p.relative_to(ROOT).parts]
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in ours}
    assert {name: n for name, n in lengths.items() if n > 300} == {}


#: The rooms of the library that may know Celery: its own, and what stands on it.
KNOW_CELERY = {"celery", "builtin", "__init__.py"}


def test_few_rooms_import_celery():
    """Apps know jobs, never the engine that runs them; nor does the ledger."""
    engines = {"celery", "kombu", "billiard", "tasks", "config"}
    guilty = [
        f"{p.relative_to(ROOT)} imports {name}"
        for p in python_files()
        if p.relative_to(ROOT).parts[0] in ("apps", "celeriac")
        if not KNOW_CELERY & set(p.relative_to(ROOT).parts[1:2])
        for name in imports(p)
        if name.split(".")[0] in engines
    ]
    assert not guilty


def test_the_import_contracts_hold():
    """The layers of the design, judged by import-linter as `make lint` does."""
    program = Path(sys.executable).with_name("lint-imports")
    command = [program, "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_files_import_each_other():
    """In a circle, be it of functions' imports or of type checkers', no file can be read first."""
    graph = import_graph(*OURS)
    assert "celeriac.jobs.running.run" in graph["celeriac.jobs.running.execute"]
    TopologicalSorter(graph).prepare()  # a CycleError names the files


def test_nobody_uses_what_another_file_calls_private():
    """A name with an underscore is its own file's, whoever is next door."""
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in python_files()
        if path.relative_to(ROOT).parts[0] in OURS - {"sandbox", "bench"}
        for name in private_uses(path, OURS)
    ]
    assert found == []


@pytest.mark.parametrize("pure", ["states", "backoff", "outcomes", "registry"])
def test_the_rules_of_a_job_import_no_django(pure):
    """They can be read, tested and trusted alone."""
    named = {name.split(".")[0] for name in imports(ROOT / "celeriac" / "jobs" / f"{pure}.py")}
    assert not named & {"django", "psycopg", "redis", "celery"}


def test_no_code_is_kept_from_the_formatter():
    """Nor are lines saved by a layout of one's own."""
    ours = [path for path in python_files() if path.relative_to(ROOT).parts[0] in OURS]
    assert [path.name for path in ours if "# fmt: skip" in path.read_text()] == []


def test_a_scan_needs_the_standard_library_alone():
    """`python -m celeriac scan` runs where none of a project's packages is installed."""
    library = ROOT / "celeriac"
    files = [*(library / "scanning").glob("*.py"), library / "__main__.py"]
    foreign = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names
        if name != "celeriac" and not name.startswith("celeriac.scanning")
    }
    assert foreign == set()
