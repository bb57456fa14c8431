"""Runs a part of the Procfile, and starts it again when our Python files change.

`python -m sandbox.reloading web`

A worker finishes what it runs first, as at a deploy. Code that does not start ends nothing: it
says why, and the next change is waited for.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from sandbox.procfile import ROOT, parts_of_procfile

#: Tests watch a folder of their own.
WATCHED = Path(os.environ.get("CELERIAC_WATCHED") or ROOT)
#: Folders at the top that no process of the platform imports.
STRANGE = {"tests", "bench", "docs", "deploy", "requirements", "staticfiles"}
#: Seconds between two looks; between SIGTERM and SIGKILL; of a start that shows that code is good.
EVERY, GRACE, GOOD = 0.5, 35.0, 10.0


class Part:
    """A command, running or waiting for a change."""

    def __init__(self, name: str, command: str) -> None:
        """Start nothing yet; the command is the shell's."""
        self._name, self._command = name, command
        self._stopping = False
        self._restarts = 0

    def run(self) -> int:
        """Run until a signal says stop, or the command ends by itself; return its exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while True:
            seen, started = snapshot(WATCHED), time.monotonic()
            # A session of its own: what a terminal or supervisor sends reaches it through us, once.
            child = subprocess.Popen(
                ["/bin/sh", "-c", self._command], cwd=ROOT, start_new_session=True
            )
            has_changed = self._await_change(seen, child)
            code = end(child)
            if not (has_changed or self._stopping):
                if not self._restarts or time.monotonic() - started > GOOD:
                    return code
                self._say(f"ended with {code}: waiting for the next change of its code")
                self._await_change(seen)
            if self._stopping:
                return code
            self._restarts += 1
            self._say("starts again: code has changed")

    def _await_change(
        self, seen: dict[str, int], child: subprocess.Popen[bytes] | None = None
    ) -> bool:
        """Say whether files changed, once they rest; or the child has ended, or we must."""
        latest = seen
        while not self._stopping and (child is None or child.poll() is None):
            time.sleep(EVERY)
            before, latest = latest, snapshot(WATCHED)
            if seen != latest == before:
                return True
        return False

    def _say(self, text: str) -> None:
        print(f"{self._name} {text}", flush=True)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True


def end(child: subprocess.Popen[bytes]) -> int:
    """Ask a child to end, where it has not, and return its exit code."""
    if child.poll() is None:
        child.terminate()
        try:
            return child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


def snapshot(root: Path) -> dict[str, int]:
    """Return the Python files below a folder that a process may import, with their times."""
    while True:
        try:
            return {file.path: file.stat().st_mtime_ns for file in _python_files(root)}
        except FileNotFoundError:  # an editor replaces files while we look
            continue


def _python_files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    is_top = Path(folder) == ROOT
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__pycache__")) or (is_top and entry.name in STRANGE):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _python_files(entry.path)
            elif entry.name.endswith(".py") and entry.is_file():
                yield entry


if __name__ == "__main__":
    sys.exit(Part(sys.argv[1], parts_of_procfile()[sys.argv[1]]).run())
