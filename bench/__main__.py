"""`make bench`: rows side by side, in interleaved rounds.

`ROUNDS=` sets how many, `JOBS=` the backlog of the row `celery`, which the others' follow. What was
measured is kept after every stage: with `--resume` a run that was stopped goes on where it was.
"""

import sys
from collections.abc import Sequence

from rich.console import Console

from bench import picture, report
from bench.checkouts import OURS, Checkout, Subject
from bench.driver import Bench
from bench.environment import open_environment
from bench.options import parse
from bench.rows import Row, row_named
from celeriac.core.printing import escape_unprintable


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; return the exit code."""
    escape_unprintable()
    options = parse(arguments)
    console = Console(width=160 if not sys.stdout.isatty() else None)
    subjects = subjects_of([row_named(name) for name in options.rows], options.against)
    with open_environment(subjects, durable=not options.quick) as environment:
        content = Bench(environment, options, console).run(subjects)
    report.show(content, console)
    report.write(options.output, content)
    if options.output == picture.RESULTS:
        picture.PICTURE.write_text(picture.drawn(content))
    console.print(f"written: {options.output}", soft_wrap=True)
    return 0


def subjects_of(rows: Sequence[Row], others: Sequence[Checkout]) -> list[Subject]:
    """Return the rows, each of the ledger's followed by those of the other checkouts."""
    return [
        Subject(row, checkout)
        for row in rows
        for checkout in (OURS, *(others if row.side == "ledger" and not row.has_slots else ()))
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
