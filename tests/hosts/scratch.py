"""Copies of a project: as it is, and moved in; and the environment that both run in."""

import difflib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox import bootstrap

ROOT = Path(__file__).resolve().parent.parent.parent
INSIDE = ROOT / "tests" / "hosts" / "inside"
#: Of a checkout, what is no part of the project.
_LEFT = shutil.ignore_patterns(".git", ".venv", "node_modules", "__pycache__", "*.pyc")
TEXT = {".py", ".toml", ".txt", ".in", ".cfg", ".ini", ".yml", ""}


@dataclass(frozen=True)
class Scratch:
    """A folder with the copies and the environment."""

    folder: Path

    def side(self, name):
        """Return a copy's folder: plain, or moved, or bare (moved without our test tools)."""
        return self.folder / name

    @property
    def python(self):
        """The environment's interpreter."""
        return self.folder / "venv" / "bin" / "python"

    def run(self, side, *command, env=None, given=None, timeout=3600):
        """Run Python in a copy and return what came of it; `given` is its standard input."""
        return subprocess.run(
            [str(self.python), *command],
            cwd=self.side(side),
            env=self.environment(env),
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def environment(self, env=None):
        """Return the environment of a process: none of this project's own settings."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        path = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, **marks(), "PATH": path, "PYTHONPATH": ".", **(env or {})}


def marks():
    """Return by what the supervisor knows the processes of this run."""
    return {name: value for name, value in os.environ.items() if name == "CELERIAC_RUN"}


def copy(host, checkout, scratch):
    """Copy the project three times, and write our files into each."""
    for side in ("plain", "bare", "moved"):
        folder = scratch.side(side)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(checkout, folder, ignore=_LEFT, symlinks=True)
        for name, text in host.files.items():
            (folder / name).write_text(text)
    (scratch.folder / "media").mkdir(exist_ok=True)


def move_in(host, scratch):
    """Apply our patch to two of the copies; return the lines that differ: added and removed."""
    for side, changes in (("bare", host.changes[:1]), ("moved", host.changes)):
        folder = scratch.side(side)
        command = [sys.executable, "-m", "celeriac", "init", "--write", str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"init refused {host.name}:\n{done.stdout}{done.stderr}")
        for change in changes:
            path = folder / change.file
            path.write_text(change.apply(path.read_text()))
    return difference(scratch.side("plain"), scratch.side("moved"))


def difference(before, after):
    """Return the lines added and removed between two folders, each with its file."""
    added, removed = [], []
    for path in sorted(after.rglob("*")):
        other = before / path.relative_to(after)
        if path.suffix not in TEXT or not path.is_file() or not other.is_file():
            continue
        old, new = other.read_bytes(), path.read_bytes()
        if old == new:
            continue
        for line in difflib.ndiff(old.decode().splitlines(), new.decode().splitlines()):
            named = f"{path.relative_to(after)}: {line[2:].strip()}"
            if line.startswith("+ "):
                added.append(named)
            elif line.startswith("- "):
                removed.append(named)
    return added, removed


def install(host, scratch, overrides):
    """Make the environment of the requirements, then of our wheel; return what the wheel changed.

    What the project pins stands, and a wheel that asks for more is refused, but for `overrides`.
    """
    uv = bootstrap.find_uv() or bootstrap.make_uv()
    env = {**os.environ, "VIRTUAL_ENV": str(scratch.folder / "venv")}

    def tell(*command):
        done = subprocess.run(
            [uv, *command], cwd=scratch.side("plain"), env=env, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"uv {' '.join(command)}:\n{done.stderr}")
        return done.stdout

    tell("venv", "--quiet", "--clear", "--python", sys.executable, env["VIRTUAL_ENV"])
    tell("pip", "install", "--quiet", *host.requirements)
    before = set(tell("pip", "freeze").splitlines())
    others = scratch.folder / "overrides.txt"
    others.write_text("\n".join(overrides))
    with_ours = (str(wheel(scratch)), "--override", str(others), *host.requirements)
    tell("pip", "install", "--quiet", *with_ours)
    after = set(tell("pip", "freeze").splitlines())
    for folder in (env["VIRTUAL_ENV"], *map(scratch.side, ("plain", "bare", "moved"))):
        compiled = [str(scratch.python), "-m", "compileall", "-q", "-j", "2", str(folder)]
        subprocess.run(compiled, capture_output=True, check=False)  # some packages ship bad files
    return sorted(before - after), sorted(after - before)


def wheel(scratch):
    """Build the library's wheel and return its path."""
    folder = scratch.folder / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder), "."]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built
