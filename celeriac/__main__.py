"""`python -m celeriac scan PATH`: works in any project, with none of its packages installed."""

import argparse

from celeriac.scanning.command import add_scan, run_scan


def main() -> int:
    """Run a command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m celeriac", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    scan = commands.add_parser("scan", help="say what each Celery task of a project would become")
    add_scan(scan)
    scan.set_defaults(run=lambda given: run_scan(given.path, json=given.json))
    options = parser.parse_args()
    result: int = options.run(options)
    return result


if __name__ == "__main__":
    raise SystemExit(main())
