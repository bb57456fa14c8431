"""Runs one command on this checkout's platform: a part of the Procfile by name, or any other.

`python -m sandbox.run worker` · `python -m sandbox.run python manage.py shell`

It joins a running `make up`, and starts (and migrates) servers of its own when there is none.
"""

import os
import shlex
import signal
import subprocess
import sys
from types import FrameType

from sandbox import platform, ports
from sandbox.procfile import parts_of_laptop

#: What a second web server or Flower must not share with a running `make up`.
OWN_PORTS = ("WEB_PORT", "FLOWER_PORT")


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code; Ctrl-C and SIGTERM end it in good order."""
    with platform.environment() as platforms:
        own = {name: str(ports.free_port(platforms.get(name))) for name in OWN_PORTS}
        env = with_venv(platforms) | own
        migrate(env)
        child = subprocess.Popen(["/bin/sh", "-c", find(arguments)], cwd=platform.ROOT, env=env)

        def end(number: int, frame: FrameType | None) -> None:
            child.terminate()

        signal.signal(signal.SIGTERM, end)
        # A terminal sends SIGINT to the child as well; here it only must not end the servers.
        signal.signal(signal.SIGINT, lambda number, frame: None)
        return child.wait()


def find(arguments: list[str]) -> str:
    """Return the shell command: a part of the Procfile, or the arguments themselves."""
    parts = parts_of_laptop()
    if len(arguments) == 1 and arguments[0] in parts:
        return parts[arguments[0]]
    return f"exec {shlex.join(arguments)}"


def with_venv(env: dict[str, str]) -> dict[str, str]:
    """Return the environment with this virtual environment's programs first, unbuffered."""
    programs = os.path.dirname(sys.executable)
    return env | {"PATH": f"{programs}:{env.get('PATH', '')}", "PYTHONUNBUFFERED": "1"}


def migrate(env: dict[str, str]) -> None:
    """Bring the database to this checkout's migrations; quick when there is nothing to do."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=platform.ROOT, env=env, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
