"""The supervisor's process: clears up once its owner has ended."""

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator

import psutil

from sandbox.supervisor import END, TOKEN

#: Seconds between looks at the owner's ancestors.
TICK = 0.5


def main(token: str, grace: float) -> None:
    """Wait for the owner to end; then stop its processes and remove its directories."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    owner = psutil.Process(os.getppid())
    directories = wait_for_owner(owner)
    stop_all(token, owner, grace=grace)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def wait_for_owner(owner: psutil.Process) -> list[str]:
    """Return the directories named on standard input, once it is closed or the owner is gone."""
    launchers = make_above(owner)
    received = b""
    while owner.is_running() and os.getppid() == owner.pid:
        if select.select([0], [], [], TICK)[0]:
            data = os.read(0, 65536)
            received += data
            if not data or END in received.decode().splitlines():
                break
        if not all(is_alive(launcher) for launcher in launchers):
            launchers = []
            owner.terminate()
    return [line for line in received.decode().splitlines() if line != END]


def make_above(owner: psutil.Process) -> list[psutil.Process]:
    """Return the owner's ancestors up to make, if make started it: killing make ends the run."""
    above: list[psutil.Process] = []
    for process in owner.parents():
        above.append(process)
        if process.name() in {"make", "gmake"}:
            return above
    return []


def stop_all(token: str, owner: psutil.Process, *, grace: float) -> None:
    """Stop every process of the run: the programs first, then the servers."""

    def find_programs() -> list[psutil.Process]:
        return [p for p in [*carriers(token), *forks_of(owner)] if not is_server(p)]

    programs = find_programs()
    signal_all(programs, signal.SIGTERM)
    signal_all(programs, signal.SIGCONT)
    wait_gone(programs, timeout=grace)
    deadline = time.monotonic() + grace
    while rest := find_programs():
        signal_all(rest, signal.SIGKILL)
        wait_gone(rest, timeout=0.2)
        if time.monotonic() > deadline:
            break
    stop_servers(list(carriers(token)))


def stop_servers(servers: list[psutil.Process]) -> None:
    """Stop PostgreSQL and Valkey: fast, then at once, then by force."""
    signal_all(servers, signal.SIGCONT)
    for number, patience in ((signal.SIGINT, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        signal_all(servers, number)
        servers = wait_gone(servers, timeout=patience)


def wait_gone(processes: list[psutil.Process], *, timeout: float) -> list[psutil.Process]:
    """Wait until the processes have ended; return those that have not after `timeout` seconds.

    They are not our children: a zombie whose parent is busy has ended as far as we care.
    """
    deadline = time.monotonic() + timeout
    while (rest := [p for p in processes if is_alive(p)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return rest


def carriers(token: str) -> Iterator[psutil.Process]:
    """Yield the living processes whose environment holds the token."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(TOKEN) == token and is_alive(process):
                yield process
        except (psutil.Error, OSError):
            continue


def forks_of(owner: psutil.Process) -> Iterator[psutil.Process]:
    """Yield what the owner forked without an exec: it has no token, but holds our pipe open.

    Where there is no /proc (macOS) such children are left to themselves.
    """
    pipe = f"pipe:[{os.fstat(0).st_ino}]"
    for process in psutil.process_iter():
        try:
            links = [os.readlink(entry) for entry in os.scandir(f"/proc/{process.pid}/fd")]
        except OSError:
            continue
        if pipe in links and process.pid not in {owner.pid, os.getpid()}:
            yield process


def is_alive(process: psutil.Process) -> bool:
    """Say whether the process runs: a zombie has ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def is_server(process: psutil.Process) -> bool:
    """Say whether the process is one of the embedded servers."""
    try:
        return process.name() in {"postgres", "valkey-server"}
    except psutil.Error:
        return False


def signal_all(processes: list[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each process that still runs."""
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
