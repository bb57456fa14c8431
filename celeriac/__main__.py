"""`python -m celeriac scan|init PATH`, in any project, with none of its packages installed."""

import argparse

from celeriac import __version__
from celeriac.scanning.command import add_init, add_scan, run_init, run_scan


def main() -> int:
    """Run a command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m celeriac", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    scan = commands.add_parser("scan", help="say what each Celery task of a project would become")
    add_scan(scan)
    scan.set_defaults(run=lambda given: run_scan(given.path, json=given.json))
    init = commands.add_parser("init", help="print the patch that makes room for the ledger")
    add_init(init)
    init.set_defaults(
        run=lambda given: run_init(
            given.path, write=given.write, settings=given.settings, version=__version__
        )
    )
    options = parser.parse_args()
    result: int = options.run(options)
    return result


if __name__ == "__main__":
    raise SystemExit(main())
