"""`make hosts PROJECT=wger CHECKOUT=/path`: move a real project in, and measure what that costs.

The checkout is copied and stays as it is. `ARGS=` names the parts: lines, suite, empty, tasks, beat
(all without); `--rounds` is how often each measured part runs, both copies in turn.
"""

import argparse
import sys
from pathlib import Path
from statistics import median

from tests.hosts import moving, scratch as scratches, suites
from tests.hosts.projects import HOSTS
from tests.hosts.scratch import ROOT, Scratch
from tests.hosts.serving import running

PARTS = ("lines", "suite", "empty", "tasks", "beat")


def main(arguments):
    """Return the exit code: 1 where a promise broke."""
    options = parse(arguments)
    host = HOSTS[options.project]
    folder = ROOT / ".local" / "hosts" / host.name
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Scratch(folder)
    broken = []
    scratches.copy(host, options.checkout.resolve(), scratch)
    broken += lines(host, scratch)
    if not (options.keep and scratch.python.exists()):
        gone, come = scratches.install(host, scratch, options.override)
        print(f"the wheel took away {len(gone)} of the project's pins: {', '.join(gone) or '-'}")
        print(f"and brought {', '.join(come)}", flush=True)
    with running(folder) as servers:
        parts = options.parts or PARTS
        for part in (suite, empty, tasks, beat):
            if part.__name__ in parts:
                broken += part(host, scratch, servers, options)
    print("\n".join(f"BROKEN: {each}" for each in broken) or "Every promise was kept.")
    return 1 if broken else 0


def parse(arguments):
    """Return the options."""
    parser = argparse.ArgumentParser(prog="make hosts", description=__doc__)
    parser.add_argument("project", choices=HOSTS)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--labels", nargs="*", default=[], help="of its suite, these parts alone")
    parser.add_argument("--override", action="append", default=[], help="in a pin's place")
    parser.add_argument("--keep", action="store_true", help="keep the environment of the last run")
    return parser.parse_args(arguments)


def lines(host, scratch):
    """Move in, and count."""
    added, removed = scratches.move_in(host, scratch)
    for sign, each in (("+", added), ("-", removed)):
        print("\n".join(f"  {sign} {line}" for line in each))
    touched = max(len(added), len(removed))
    print(f"lines: {len(added)} added, {len(removed)} removed: {touched} touched", flush=True)
    return [f"{touched} lines, not {host.lines}"] if touched > host.lines else []


def suite(host, scratch, servers, options):
    """Run its own suite in both copies, in turn."""
    ran = {"plain": [], "moved": []}
    for _ in range(options.rounds):
        for side, all_of_it in ran.items():
            one = suites.run_suite(host, scratch, servers, side, options.labels)
            (scratch.folder / f"suite-{side}.log").write_text(one.output)
            all_of_it.append(one)
            print(
                f"suite, {side}: {one.counts} {one.passed:.1f} s, of a processor"
                f" {one.processor:.1f} s",
                flush=True,
            )
    broken = []
    if any(one.counts != ran["plain"][0].counts for one in ran["moved"]):
        broken.append("its suite says something else")
    ratio = _ratio([one.processor for one in ran["plain"]], [one.processor for one in ran["moved"]])
    print(f"suite: {ratio:+.1%} of a processor's seconds")
    return [*broken, *([f"its suite takes {ratio:+.1%}"] if ratio > 0.05 else [])]


def empty(host, scratch, servers, options):
    """Run the empty tests in three copies, in turn."""
    ran = {"plain": [], "bare": [], "moved": []}
    for _ in range(options.rounds):
        for side, seconds in ran.items():
            seconds.append(suites.run_empty(host, scratch, servers, side))
    shown = {side: f"{median(seconds):.2f} s" for side, seconds in ran.items()}
    print(f"100 empty TransactionTestCases: {shown}; bare is without celeriac.testing", flush=True)
    ratio = _ratio(ran["plain"], ran["moved"])
    return [f"empty tests take {ratio:+.1%}"] if ratio > 0.10 else []


def _ratio(before, after):
    return median(after) / median(before) - 1


def tasks(host, scratch, servers, _):
    """Call every task plain and as a job, and compare."""
    plain, _ = moving.call_all(host, scratch, servers, "plain")
    moved, jobs = moving.call_all(host, scratch, servers, "moved", "--with-dispatcher")
    by_id = {job[0]: job for job in jobs}
    broken = []
    for was, now in zip(plain["calls"], moved["calls"], strict=True):
        job = by_id.get(now[1])
        print(f"  {now[0]}: {was[2]} -> {now[2]} {now[3]!r:.60}, job {job and job[2]}")
        if was[2:] != now[2:] or job is None:
            broken.append(f"{now[0]}: {was[2:]} became {now[2:]}, job {job}")
    broken += [f"{name} was not rolled back" for name, at in moved["undone"] if at in by_id]
    if plain["rows"] != moved["rows"]:
        both = plain["rows"].items() ^ moved["rows"].items()
        broken.append(f"other rows: {sorted(both)}")
    others = {job[1] for job in jobs} - {call[0] for call in host.calls}
    print(f"tasks: {len(jobs)} jobs of {len(host.calls)} tasks, and {sorted(others)}", flush=True)
    return broken


def beat(host, scratch, servers, _):
    """Let its schedules fire."""
    jobs = moving.fire(host, scratch, servers)
    fired = {job[1] for job in jobs}
    print(f"beat: {len(jobs)} jobs of {len(fired & set(host.ticks))} entries of {len(host.ticks)}")
    return [f"{name} never fired" for name in host.ticks if name not in fired]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
