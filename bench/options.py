"""The command line of `make bench`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from bench.checkouts import ROOT, Checkout, checkout_at
from bench.rows import BY_NAME, NOT_YET, TABLES, USUAL, row_named

LATEST = ROOT / "bench" / "results" / "latest.json"
QUICK = ROOT / ".local" / "bench-quick.json"
#: What is measured beside the rows, each once.
BESIDE = ("breaker", "tailed", "plain_beside", "http_bulk", "dashboard", "schedules")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line over the environment."""
    options = _parser().parse_args(arguments)
    quick = options.quick
    options.rounds = options.rounds or (1 if quick else 3)
    options.jobs = options.jobs or (1_000 if quick else 7_000)
    options.seconds = options.seconds or (3.0 if quick else 30.0)
    if options.beside is None:
        options.beside = [] if options.table or options.rows else list(BESIDE)
    options.output = options.output or _output(options)
    options.rows = _chosen(options)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measures rows side by side, in interleaved rounds."
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="one short round; not for figures")
    add("--rounds", type=int, default=int(os.environ.get("ROUNDS") or 0))
    add("--jobs", type=int, default=int(os.environ.get("JOBS") or 0))
    add("--seconds", type=float, default=0.0, help="of a steady load; 30 unless told otherwise")
    add("--table", choices=sorted(TABLES), help="the rows that belong together")
    add("--rows", type=_rows, help=f"of {', '.join(BY_NAME)}; NAME_50 for another rate or width")
    add("--rates", type=_rates, default=[], help="jobs a second of steady rows, instead of 200")
    add(
        "--against",
        type=_checkout,
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="another checkout, of an older commit, whose rows of the ledger run beside ours",
    )
    add("--prefetch", type=int, help="for plain rows, instead of the faster one")
    add("--no-history", action="store_true", help="leave celeriac_history out")
    add("--beside", type=_beside, help=f"of {', '.join(BESIDE)}, or `none`")
    add("--resume", action="store_true", help="go on with a run that was stopped")
    add("--output", type=Path, help="instead of bench/results/latest.json")
    return parser


def _chosen(options: argparse.Namespace) -> list[str]:
    """Return the names of the rows to measure."""
    if options.rows:
        names: list[str] = options.rows
    elif options.table:
        names = [row.name for row in TABLES[options.table] if row.name not in NOT_YET]
    else:
        no_history = options.quick or options.no_history
        names = [name for name in USUAL if not (no_history and BY_NAME[name].history)]
    if not options.rates:
        return names
    steady = [name for name in names if row_named(name).shape == "steady"]
    others = [name for name in names if name not in steady]
    return others + [f"{name}_{rate}" for rate in options.rates for name in steady]


def _output(options: argparse.Namespace) -> Path:
    """Return where figures go: those of a part never replace those of the whole."""
    if options.quick:
        return QUICK
    if options.rows:
        return ROOT / ".local" / "bench" / "rows.json"
    if options.table:
        rates = "_rates" if options.rates else ""
        return LATEST.with_name(f"{options.table}{rates}.json")
    return LATEST


def _rows(text: str) -> list[str]:
    names = _words(text)
    try:
        rows = [row_named(name) for name in names]
    except KeyError as unknown:
        raise argparse.ArgumentTypeError(f"there is no row {unknown.args[0]}") from unknown
    order = list(BY_NAME)
    return [row.name for row in sorted(rows, key=lambda row: order.index(_base(row.name)))]


def _base(name: str) -> str:
    return name if name in BY_NAME else name.rpartition("_")[0]


def _rates(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def _beside(text: str) -> list[str]:
    names = [] if text == "none" else _words(text)
    if unknown := set(names) - set(BESIDE):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is not measured beside")
    return names


def _checkout(text: str) -> Checkout:
    try:
        return checkout_at(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
