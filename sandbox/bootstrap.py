"""Makes `.venv` with the pinned packages, or `.local/tools`. Needs a Python 3 and nothing else.

It runs before anything is installed, on whatever Python the machine has: standard library only,
and no syntax newer than Python 3.8.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
#: What the site and a release need has an environment of its own.
FOR_TOOLS = sys.argv[1:] == ["tools"]
VENV = LOCAL / "tools" if FOR_TOOLS else ROOT / ".venv"
OWN_UV = LOCAL / "uv"
REQUIREMENTS = ROOT / "requirements" / ("tools.txt" if FOR_TOOLS else "dev.txt")
#: Where uv would put a Python that the machine lacks: inside the clone.
ENVIRONMENT = {**os.environ, "UV_PYTHON_INSTALL_DIR": str(LOCAL / "python")}
NO_UV = """uv could not be set up. Either install uv, or the packages that give {python}
the modules venv and pip (on Debian: python3-venv)."""


def main() -> None:
    """Make the virtual environment and install exactly what is pinned."""
    uv = find_uv() or make_uv()
    make_venv(uv)
    if not (install(uv) or install_with_pip()):
        sys.exit("The pinned packages could not be installed; the reason stands above.")
    (VENV / ".installed").touch()


def install(uv: str) -> bool:
    """Make the packages exactly those that are pinned; say whether that worked."""
    command = [uv, "pip", "sync", "--quiet", "--require-hashes", str(REQUIREMENTS)]
    env = {**ENVIRONMENT, "VIRTUAL_ENV": str(VENV)}
    return subprocess.run(command, cwd=str(ROOT), env=env).returncode == 0


def install_with_pip() -> bool:
    """Install with pip, which may know a way to the packages that uv was not told of."""
    print("uv could not fetch the packages: trying pip", flush=True)
    pip = [sys.executable, "-m", "pip", "--python", str(VENV / "bin" / "python"), "install"]
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]
    return subprocess.run([*pip, *options, str(REQUIREMENTS)], cwd=str(ROOT)).returncode == 0


def works(command: list[str]) -> bool:
    """Say whether a command runs here: a shim may exist and fail."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=str(ROOT), timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def find_uv() -> str | None:
    """Return a uv that works, or None."""
    for uv in (str(OWN_UV / "bin" / "uv"), shutil.which("uv")):
        if uv and works([uv, "pip", "sync", "--help"]):
            return uv
    return None


def make_uv() -> str:
    """Install the pinned uv into a private virtual environment and return its path."""
    print("uv does not run here: installing it under .local/uv", flush=True)
    shutil.rmtree(str(OWN_UV), ignore_errors=True)
    pinned = ["--quiet", "--require-hashes", "-r", str(ROOT / "requirements" / "uv.txt")]
    if works([sys.executable, "-m", "venv", str(OWN_UV)]):
        pip = [str(OWN_UV / "bin" / "python"), "-m", "pip", "install"]
    else:
        pip = [sys.executable, "-m", "pip", "install", "--prefix", str(OWN_UV)]
    done = subprocess.run([*pip, "--disable-pip-version-check", *pinned], cwd=str(ROOT))
    uv = find_uv()
    if done.returncode or uv is None:
        sys.exit(NO_UV.format(python=sys.executable))
    return uv


def make_venv(uv: str) -> None:
    """Make `.venv` with the wished Python, else any new enough one, else a downloaded one."""
    wished = (ROOT / ".python-version").read_text().strip()
    if works(
        [str(VENV / "bin" / "python"), "-c", "import sys; assert sys.version_info >= (3, 12)"]
    ):
        return
    for choice in (
        ["--no-python-downloads", "--python", wished],
        ["--no-python-downloads", "--python", ">=3.12"],
        ["--python", wished],
    ):
        command = [uv, "venv", "--quiet", "--clear", "--no-project", *choice, str(VENV)]
        if subprocess.run(command, cwd=str(ROOT), env=ENVIRONMENT).returncode == 0:
            return
    sys.exit("No Python 3.12 or newer was found, and none could be downloaded.")


if __name__ == "__main__":
    main()
