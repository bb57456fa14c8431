"""`scan PATH` and `init PATH`, by `python -m celeriac` and by `manage.py celeriac`."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from celeriac.scanning.declared import Registered
from celeriac.scanning.init import Initialisation
from celeriac.scanning.report import as_json, as_text
from celeriac.scanning.scan import scan_project


def add_scan(parser: argparse.ArgumentParser) -> None:
    """Take what a scan takes."""
    parser.add_argument("path", nargs="?", type=Path, default=Path(), help="the project's folder")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run_scan(
    path: Path,
    *,
    json: bool,
    write: Callable[[str], object] = print,
    registered: Iterable[Registered] | None = None,
) -> int:
    """ProjectScan a folder and write what was found; returns the exit code."""
    if not path.is_dir():
        print(f"{path} is no folder.", file=sys.stderr)
        return 2
    scan = scan_project(path.resolve(), registered)
    write(as_json(scan) if json else "\n".join(as_text(scan)))
    return scan.exit_code


_NEXT = """Then:
    python manage.py check                    what else the ledger asks for
    python manage.py migrate
    celery -A ... worker --with-dispatcher
    python -m celeriac scan .                 what each task would become
and name tasks in CELERIAC["TASKS"], one after the other. With TASKS empty nothing moves."""


def add_init(parser: argparse.ArgumentParser) -> None:
    """Take what `init` takes."""
    parser.add_argument("path", nargs="?", type=Path, default=Path(), help="the project's folder")
    parser.add_argument("--write", action="store_true", help="change the files")
    parser.add_argument("--settings", default="", help="the file that lists INSTALLED_APPS")


def run_init(path: Path, *, write: bool, settings: str, version: str) -> int:
    """Print the patch for a project, or apply it; returns the exit code.

    Where something can't be placed nothing is written: the reasons go to standard error.
    """
    if not path.is_dir():
        print(f"{path} is no folder.", file=sys.stderr)
        return 2
    planned = Initialisation(path.resolve(), version, settings)
    for reason in planned.refusals:
        print(reason, file=sys.stderr)
    patch = "".join(planned.edits.patch())
    if write and not planned.refusals:
        changed = planned.edits.write()
        print("\n".join(f"changed {name}" for name in changed) or "Nothing to change.")
    elif patch:
        print(patch, end="")
    elif not planned.refusals:
        print("Nothing to change.")
    if not planned.refusals:
        print(_NEXT, file=sys.stderr)
    return 1 if planned.refusals else 0
