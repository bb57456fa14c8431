"""Processor time by role: what a job costs, whoever else uses the machine."""

import os
from collections.abc import Iterable, Mapping

import psutil

#: Names the servers' process ids in the environment of a stage: `postgres=12,valkey=34`.
VARIABLE = "BENCH_SERVERS"
#: The role of the process that enqueues: what a web process pays, and no part of the sum.
PUBLISHER = "publisher"
Seconds = dict[str, float]


def of_tree(process: psutil.Process) -> float:
    """Return the seconds of the process and all its descendants, ended ones included."""
    seconds = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
    reaped = process.cpu_times()
    return seconds + reaped.children_user + reaped.children_system


def of_worker(process: psutil.Process) -> tuple[float, float]:
    """Return the seconds of a worker's parent and of its children; a solo worker is a child."""
    times = process.cpu_times()
    own = times.user + times.system
    whole = of_tree(process)
    return (own, whole - own) if process.children() else (0.0, whole)


def of_servers() -> Seconds:
    """Return the seconds of the servers that the environment names."""
    pairs = [pair.split("=") for pair in os.environ.get(VARIABLE, "").split(",") if pair]
    return {name: of_tree(psutil.Process(int(pid))) for name, pid in pairs}


def named_servers(servers: Mapping[str, int]) -> str:
    """Return the environment's value for servers by process id."""
    return ",".join(f"{name}={pid}" for name, pid in servers.items())


def per_job(after: Seconds, before: Seconds, jobs: int) -> Seconds:
    """Return microseconds by role for each of `jobs` jobs, and the platform's sum as `all`."""
    used = {role: 1e6 * (after[role] - before.get(role, 0.0)) / jobs for role in after}
    return used | {"all": sum(value for role, value in used.items() if role != PUBLISHER)}


def total_seconds(each: Iterable[Seconds]) -> Seconds:
    """Add up seconds by role."""
    summed: Seconds = {}
    for seconds in each:
        for role, value in seconds.items():
            summed[role] = summed.get(role, 0.0) + value
    return summed
