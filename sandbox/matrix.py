"""`make matrix`: the fast half of the suite on each corner of the versions that are supported.

tox.toml has the corners; uv makes their environments under .local/matrix. What a corner needs of
Debian (an older PostgreSQL, RabbitMQ) is installed where that is allowed; a corner whose server is
missing is not run, which is said and counts as a failure.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.servers import rabbitmq

ROOT = Path(__file__).resolve().parent.parent
TOX = ROOT / ".local" / "tools" / "bin" / "tox"
PACKAGES = ("postgresql-15", "rabbitmq-server")
#: Debian starts what it installs, and makes a first cluster: neither is wanted.
QUIETLY = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


def main() -> int:
    """Run the corners; return 0 where all are green."""
    parser = argparse.ArgumentParser(prog="make matrix")
    parser.add_argument("corners", nargs="*", help="only these (ARGS='oldest rabbitmq')")
    parser.add_argument("--tests", default="", help="these tests, by paths, for the fast half")
    chosen = parser.parse_args()
    known: dict[str, Any] = tomllib.loads((ROOT / "tox.toml").read_text())
    corners = chosen.corners or known["env_list"]
    if unknown := sorted(set(corners) - set(known["env_list"])):
        parser.error(
            f"tox.toml has no corner {unknown[0]!r}; it has {', '.join(known['env_list'])}"
        )
    _install(corners)
    results = {name: _run(name, known["env"][name], chosen.tests.split()) for name in corners}
    for name, said in results.items():
        print(f"{name:16} {said:22} {known['env'][name]['description']}")
    return int(any(not said.startswith("green") for said in results.values()))


def _run(name: str, corner: dict[str, Any], tests: list[str]) -> str:
    """Run one corner; return what came of it."""
    if missing := next(_missing(name, corner), None):
        print(f"{name} is not run: {missing}.", file=sys.stderr)
        return "not run"
    started = time.monotonic()
    paths = ["--", *tests] if tests else []
    command = [str(TOX), "run", "-e", name, *paths]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), check=False)
    return f"{'RED' if done.returncode else 'green'} in {time.monotonic() - started:.0f} s"


def _environment() -> dict[str, str]:
    """Return the environment for tox: pyenv's interpreters first, whose shims may refuse to run.

    An interpreter that the machine lacks is one that uv fetches, into the clone.
    """
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    own = [str(each) for each in sorted(versions.glob("3.1[2-9]*/bin"))]
    return {
        **os.environ,
        "PATH": os.pathsep.join([*own, os.environ.get("PATH", os.defpath)]),
        "UV_PYTHON_INSTALL_DIR": str(ROOT / ".local" / "python"),
    }


def _missing(name: str, corner: dict[str, Any]) -> Iterator[str]:
    home = corner.get("set_env", {}).get("POSTGRES_HOME")
    if home and not (Path(home) / "bin" / "postgres").exists():
        yield f"there is no PostgreSQL in {home} (Debian's postgresql-{Path(home).name})"
    if name.startswith("rabbitmq") and not rabbitmq.is_installed():
        yield rabbitmq.MISSING


def _install(corners: list[str]) -> None:
    """Install what is missing of Debian, as root and where there is apt, without starting it."""
    corners_of = tomllib.loads((ROOT / "tox.toml").read_text())["env"]
    lacks = any(any(_missing(name, corners_of[name])) for name in corners)
    if not lacks or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    clusters = Path("/etc/postgresql-common/createcluster.d")
    clusters.mkdir(parents=True, exist_ok=True)
    (clusters / "celeriac.conf").write_text("create_main_cluster = false\n")
    with _no_services():
        for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
            subprocess.run(
                ["apt-get", "-qq", *command],
                env={**os.environ, **QUIETLY},
                stdout=subprocess.DEVNULL,
                check=False,
            )


class _no_services:  # noqa: N801 reads as what it does
    """Have Debian start nothing that it installs meanwhile."""

    policy = Path("/usr/sbin/policy-rc.d")

    def __enter__(self) -> None:
        self.ours = not self.policy.exists()
        if self.ours:
            self.policy.write_text("#!/bin/sh\nexit 101\n")
            self.policy.chmod(0o755)

    def __exit__(self, *_: object) -> None:
        if self.ours:
            self.policy.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
