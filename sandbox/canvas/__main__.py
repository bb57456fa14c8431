"""`python -m sandbox.canvas CHECKOUT [FILE …] [-- PYTEST OPTIONS]`; see the package."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import supervisor
from sandbox.canvas import report
from sandbox.platform import ROOT, addresses, direct

#: What is run where nobody names anything; `test_canvas.py` is the other one that is about tasks.
FILES = ("test_tasks.py",)
#: Their own marks and options: how their tests are found.
OPTIONS = ("-p", "no:randomly", "-p", "no:django", "-p", "no:cacheprovider", "-q", "--tb=short")
#: Where dispatcher and worker log.
LOGS = ROOT / ".local" / "canvas"
#: Seconds after which a test has failed that names no time of its own.
PATIENCE = 120


def main(arguments: list[str]) -> int:
    """Run the tests and tell what became of them; 1 where the guide says otherwise."""
    chosen = _parser().parse_args(arguments)
    tests = chosen.checkout / "t" / "integration"
    if not (tests / "tasks.py").is_file():
        print(f"{chosen.checkout} is no checkout of Celery: {tests} has no tasks.py.")
        print("Say `make canvas CELERY=/path/to/celery`, of a checkout that you have made.")
        return 2
    with _place(chosen.checkout) as place, _servers(place) as variables:
        found = _run(place, chosen.files or list(FILES), variables, chosen.options)
    told = report.read_guide(ROOT / "docs" / "from-celery.md")
    print(report.table_of(found, _commit(chosen.checkout), chosen.files or FILES))
    problems = [] if chosen.options else report.differences(found, told)
    print(*problems, sep="\n")
    return 1 if problems or not found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.canvas", description=__doc__)
    parser.add_argument("checkout", type=Path, help="a checkout of Celery; nothing is fetched")
    parser.add_argument("files", nargs="*", help=f"of t/integration; else {', '.join(FILES)}")
    parser.add_argument("--options", default="", help="more options for pytest, such as '-k retry'")
    return parser


@contextmanager
def _place(checkout: Path) -> Iterator[Path]:
    """Yield a directory with a copy of their tests; Celery itself is the installed one."""
    place = Path(tempfile.mkdtemp(prefix="celeriac-canvas-"))
    supervisor.current_supervisor().remove_at_end(place)
    try:
        shutil.copytree(checkout / "t" / "integration", place / "t" / "integration")
        (place / "t" / "__init__.py").touch()
        shutil.copy2(checkout / "pyproject.toml", place)
        yield place
    finally:
        supervisor.close()


@contextmanager
def _servers(place: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of whatever takes part, once the servers and the dispatcher run."""
    LOGS.mkdir(parents=True, exist_ok=True)
    servers: list[report.Stoppable] = []
    given = {name: os.environ.pop(name, None) for name in ("DATABASE_URL", "BROKER_URL")}
    try:
        found = addresses(servers, home=place)  # type: ignore[arg-type]  # each can be stopped
        variables = os.environ | direct() | _variables(place, found)
        manage = [sys.executable, "-m", "django"]
        subprocess.run([*manage, "migrate", "--verbosity", "0"], env=variables, check=True)
        with (LOGS / "dispatcher.log").open("wb") as log:
            dispatcher = subprocess.Popen(
                [*manage, "dispatcher"], env=variables, stdout=log, stderr=log
            )
        try:
            yield variables
        finally:
            dispatcher.terminate()
            dispatcher.wait(30)
    finally:
        os.environ.update({name: value for name, value in given.items() if value is not None})
        for server in reversed(servers):
            server.stop()


def _variables(place: Path, found: dict[str, str]) -> dict[str, str]:
    """Return what their conftest reads of the environment, and our project (settings.py)."""
    url = found["BROKER_URL"]
    host, _, port = url.removeprefix("redis://").partition("/")[0].rpartition(":")
    return {
        "DJANGO_SETTINGS_MODULE": "sandbox.canvas.settings",
        "DATABASE_URL": found["DATABASE_URL"],
        "CANVAS_SLOTS": str(place / "slots"),
        "CANVAS_LOGS": str(LOGS),
        "CANVAS_RESULTS": str(place / "results.json"),
        "PYTHONPATH": os.pathsep.join([str(place), str(ROOT)]),
        "TEST_BROKER": url,
        "TEST_BACKEND": url,
        "REDIS_HOST": host,
        "REDIS_PORT": port,
    }


def _run(
    place: Path, files: list[str], variables: dict[str, str], options: str
) -> list[report.Result]:
    """Run their tests, and return what became of each."""
    paths = [str(Path("t") / "integration" / name) for name in files]
    command = [sys.executable, "-m", "pytest", "-p", "sandbox.canvas.plugin", *OPTIONS]
    command += ["-p", "celery.contrib.pytest", f"--timeout={PATIENCE}", *options.split(), *paths]
    subprocess.run(command, cwd=place, env=variables | {"CANVAS_TESTS": "yes"}, check=False)
    results = Path(variables["CANVAS_RESULTS"])
    if not results.exists():
        return []
    return [report.Result(**each) for each in json.loads(results.read_text())]


def _commit(checkout: Path) -> str:
    """Return which commit their tests are of, and whether their files are as it has them."""
    git = ["git", "-C", str(checkout)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "t"], capture_output=True, text=True, check=False
    )
    if head.returncode != 0:
        return "no commit"
    return head.stdout.strip() + (" and changes" if changed.stdout.strip() else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
