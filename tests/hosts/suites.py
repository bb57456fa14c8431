"""A project's own suite, and a hundred empty tests: what each copy takes for them."""

import resource
import shutil
import time
from dataclasses import dataclass

import psutil

from tests.hosts.scratch import INSIDE


@dataclass(frozen=True)
class Ran:
    """What a run of a suite said and took: seconds that passed, and of the processors'."""

    counts: dict
    passed: float
    processor: float
    output: str


def run_suite(host, scratch, servers, side, labels=()):
    """Run the project's own suite in a copy, on an empty database of its own."""
    env = servers.fill(host.tests, side)
    return measured(lambda: scratch.run(side, *host.suite, *labels, env=env), host, servers)


def run_empty(host, scratch, servers, side):
    """Run the hundred empty tests in a copy; return their seconds."""
    module = scratch.side(side) / host.empty
    seconds = scratch.folder / "seconds"
    seconds.unlink(missing_ok=True)
    shutil.copyfile(INSIDE / "empty.py", module)
    try:
        env = servers.fill(host.tests, side) | {"HOSTS_SECONDS": str(seconds)}
        done = scratch.run(side, *host.suite, host.module, env=env)
    finally:
        module.unlink()
    if not seconds.exists():
        raise SystemExit(f"The empty tests did not end in {side}:\n{done.stdout}{done.stderr}")
    return float(seconds.read_text())


def measured(run, host, servers):
    """Run, and measure: the project's processes and the database's."""
    began = time.perf_counter(), _processes(), servers.processor()
    done = run()
    ended = time.perf_counter(), _processes(), servers.processor()
    passed, ours, theirs = (after - before for before, after in zip(began, ended, strict=True))
    output = done.stdout + done.stderr
    return Ran(host.counts(output), passed, ours + theirs, output)


def _processes():
    """Return the processor's seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tree_seconds(pid):
    """Return the processor's seconds of a server: its own, its children's, and those ended."""
    server = psutil.Process(pid)
    times = [server.cpu_times(), *(each.cpu_times() for each in server.children())]
    ended = times[0].children_user + times[0].children_system
    return ended + sum(each.user + each.system for each in times)
