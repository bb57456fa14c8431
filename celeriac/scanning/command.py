"""`scan PATH`, by `python -m celeriac` and by `manage.py celeriac`."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from celeriac.scanning.declared import Registered
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
