"""Print what the model was asked and what it found.

python -m tests.model                the bounds and the mutants, as tables (exit 1 on a surprise)
python -m tests.model --small        the bounds that every test run explores
python -m tests.model --trace NAME   the shortest way in which the mutant NAME goes wrong
"""

import argparse
import sys
import time

from tests.model.configs import FULL, SMALL
from tests.model.explore import explore
from tests.model.mutants import HARMLESS, MUTANTS

BASE = "| {:<14} | {:>9} | {:>10} | {:>5} | {:>7} | {:<14} | {} |"
MUTANT = "| {:<58} | {:<72} | {:>5} | {:>7} | {:>7} |"


def main(arguments=None):
    """Run what was asked; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--small", action="store_true", help="the smaller bounds")
    parser.add_argument("--trace", metavar="NAME", help="a mutant's shortest counterexample")
    options = parser.parse_args(arguments)
    if options.trace:
        return _trace(options.trace)
    began = time.perf_counter()
    surprises = _bounds(SMALL if options.small else FULL) + _mutants()
    print("\nWhat costs only time or order:\n")
    surprises += _bounds(HARMLESS)
    print(f"\n{surprises} surprises, {time.perf_counter() - began:.0f} s")
    return 1 if surprises else 0


def _bounds(models):
    """Explore the design itself; return how many configurations break something."""
    print(BASE.format("configuration", "states", "moves", "depth", "seconds", "found", "bound"))
    print(BASE.format("---", "---:", "---:", "---:", "---:", "---", "---"))
    broken = 0
    for model in models:
        found = explore(model)
        broken += bool(found.broken)
        row = model.name, found.states, found.moves, found.depth, f"{found.seconds:.1f}"
        print(BASE.format(*row, found.broken or "nothing broken", model.bound), flush=True)
        _steps(found)
    return broken


def _mutants():
    """Explore the mutants; return how many are not caught at the invariant they break."""
    print()
    print(MUTANT.format("mutant", "caught at", "steps", "states", "seconds"))
    print(MUTANT.format("---", "---", "---:", "---:", "---:"))
    missed = 0
    for mutant in MUTANTS:
        found = explore(mutant.model)
        missed += found.broken != mutant.breaks
        caught = found.broken or "NOT CAUGHT"
        steps = max(0, len(found.trace) - 1)
        row = mutant.name, caught, steps, found.states, f"{found.seconds:.2f}"
        print(MUTANT.format(*row), flush=True)
    return missed


def _trace(name):
    named = [mutant for mutant in MUTANTS if name in mutant.name]
    if not named:
        print("No such mutant. There are:", *(mutant.name for mutant in MUTANTS), sep="\n  ")
        return 1
    for mutant in named:
        found = explore(mutant.model)
        print(f"{mutant.name}: {found.broken or 'not caught'}")
        _steps(found)
    return 0


def _steps(found):
    for number, (label, world) in enumerate(found.trace):
        print(f"  {number:>2}  {label}")
        for job, row in enumerate(getattr(world, "jobs", ())):
            print(f"        job {job}: {_row(row)}")


def _row(row):
    if row.state is None:
        return "not committed"
    numbers = f"attempt {row.attempt}, failures {row.failures}, losses {row.losses}"
    marks = [f"claim {row.claim}"] if row.claim else []
    marks += ["cancel requested"] if row.cancel else []
    marks += [] if row.due else ["not due"]
    return ", ".join([str(row.state), numbers, *marks])


if __name__ == "__main__":
    sys.exit(main())
