"""The table of findings, and the file that CONTRACT calls results/latest.json."""

import json
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
COUNTS = ("lost", "duplicate_effects", "stale_accepted", "lock_overlaps")
COLUMNS = ("jobs", *COUNTS, "failures", "losses", "stuck")


def show(found, *, seed):
    """Print the table and what broke."""
    table = Table(title=f"Faults under load, seed {seed}")
    table.add_column("fault")
    for column in (*COLUMNS, "recovered in"):
        table.add_column(column.replace("_", " "), justify="right")
    for one in found:
        after = "never" if one.recovered_in_s is None else f"{one.recovered_in_s:.1f} s"
        style = "red" if one.broken else None
        cells = [str(getattr(one, column)) for column in COLUMNS]
        table.add_row(one.name, *cells, after, style=style)
    console = Console(width=140)
    console.print(table)
    for one in found:
        for promise in one.broken:
            console.print(f"{one.name}: {promise}", style="red", highlight=False)


def write(found, *, seed, slots=""):
    """Write the result file; one of its own for workers that run many jobs at once."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{slots.partition(':')[0] or 'latest'}.json"
    file.write_text(json.dumps(result(found, seed=seed), indent=1) + "\n")


def result(found, *, seed):
    """Return its content; a fault of several rounds is one entry, with its worst recovery."""
    rounds = defaultdict(list)
    for one in found:
        rounds[one.name].append(one)
    totals = {name: sum(getattr(one, name) for one in found) for name in COUNTS}
    return {
        "jobs": sum(one.jobs for one in found),
        "seed": seed,
        **totals,
        "charged_without_cause": sum(one.charged_without_cause for one in found),
        "stuck": sum(one.stuck for one in found),
        "faults": [entry(name, ones) for name, ones in rounds.items()],
    }


def entry(name, ones):
    """Return a fault's entry: null where it never recovered."""
    times = [one.recovered_in_s for one in ones]
    return {
        "name": name,
        "jobs": sum(one.jobs for one in ones),
        "recovery_ratio": min(one.recovery_ratio for one in ones),
        "recovered_in_s": None if None in times else max(times),
    }
