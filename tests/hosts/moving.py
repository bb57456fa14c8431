"""A project's own tasks with real processes: plain in one copy, through the ledger in the other."""

import contextlib
import json
import signal
import subprocess
import time

from tests.hosts.scratch import INSIDE

#: Seconds to wait for what processes do.
PATIENCE = 180


class Broken(Exception):
    """A process did not do what it should; the message ends with what it wrote."""


def prepare(host, scratch, servers, side):
    """Make the database of a copy's processes, with its tables and rows; return the environment.

    The second begins with the rows of the first, as a project that moves in does.
    """
    env = servers.fill(host.processes, side)
    commands = host.prepare if servers.copy_database(side) else host.prepare[:1]
    for command in commands:
        done = scratch.run(side, *command, env=env)
        if done.returncode:
            raise Broken(
                f"{side}: {' '.join(command)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            )
    return env


def say(scratch, side, script, env, given=()):
    """Run a script of ours inside a copy and return what it said."""
    done = scratch.run(side, str(INSIDE / script), env=env, given=json.dumps(given))
    for line in done.stdout.splitlines():
        if line.startswith("SAID "):
            return json.loads(line[5:])
    raise Broken(f"{script} in {side}:\n{done.stdout[-3000:]}{done.stderr[-5000:]}")


@contextlib.contextmanager
def started(scratch, side, env, *command, ready=""):
    """Run a process beside; wait until it wrote `ready`; end it in good order."""
    log = scratch.folder / f"{side}-{'beat' if 'beat' in command else 'worker'}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(scratch.python), *command],
            cwd=scratch.side(side),
            env=scratch.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        wait(lambda: ready in log.read_text(errors="replace"), process, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        if process.poll() is None:
            process.kill()
            process.wait(10)


def wait(condition, process, log):
    """Wait for a condition; Broken where the process ends or time is up."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > until:
            raise Broken(f"{log.name}:\n{log.read_text(errors='replace')[-5000:]}")
        time.sleep(0.2)


def call_all(host, scratch, servers, side, *options):
    """Call each task in a copy whose worker runs; return what came of it, and the jobs."""
    env = prepare(host, scratch, servers, side)
    worker = ("-m", "celery", "-A", host.app, "worker", "-l", "INFO", "-c", "2", *options)
    with started(scratch, side, env, *worker, ready=" ready."):
        said = say(scratch, side, "call.py", env, host.calls)
    jobs = say(scratch, side, "jobs.py", env) if side == "moved" else []
    return said, jobs


def fire(host, scratch, servers):
    """Run the project's beat until each of its tasks ran as a job; return the jobs."""
    env = prepare(host, scratch, servers, "moved")
    file = scratch.folder / "beat"
    beat = ("-m", "celery", "-A", host.app, "beat", "-l", "INFO")
    if host.schedules_in_database:
        scratch.run("moved", str(INSIDE / "schedule.py"), env=env, given=json.dumps(host.ticks))
    else:
        beat = (*beat, "-s", str(file))
        for old in scratch.folder.glob("beat*"):
            old.unlink()
        with started(scratch, "moved", env, *beat, ready="beat: Starting"):
            until = time.monotonic() + PATIENCE
            while not list(scratch.folder.glob("beat*")) and time.monotonic() < until:
                time.sleep(0.2)
        scratch.run("moved", str(INSIDE / "age.py"), str(file), env=env)
    worker = ("-m", "celery", "-A", host.app, "worker", "-l", "INFO", "-c", "2")
    with (
        started(scratch, "moved", env, *worker, "--with-dispatcher", ready=" ready."),
        started(scratch, "moved", env, *beat, ready="beat: Starting"),
    ):
        return _ticked(host, scratch, env)


def _ticked(host, scratch, env):
    """Wait until beat's jobs have ended, and return them."""
    until = time.monotonic() + PATIENCE
    while True:
        jobs = [job for job in say(scratch, "moved", "jobs.py", env) if job[5].startswith("beat")]
        ended = {job[1] for job in jobs if job[2] not in ("queued", "running")}
        if ended >= set(host.ticks) or time.monotonic() > until:
            return jobs
        time.sleep(1)
