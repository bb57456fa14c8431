"""`make screenshots`: starts servers of its own, tells them a story, takes pictures of the pages.

The pictures go to docs/screenshots, or to the folder that is given.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import platform, ports, supervisor
from sandbox.pictures import shots
from sandbox.platform import ROOT
from sandbox.run import migrate, with_venv
from sandbox.servers import PostgresServer, ValkeyServer

PICTURES = ROOT / "docs" / "screenshots"
EMAIL = "operator@celeriac.example"


def main(arguments: list[str]) -> int:
    """Take every picture and print how large each is."""
    into = Path(arguments[0]) if arguments else PICTURES
    password = secrets.token_urlsafe(12)
    with servers() as env:
        env |= {"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": password}
        migrate(env)
        for module in ("sandbox.administrator", "sandbox.pictures.sample_data"):
            subprocess.run([sys.executable, "-m", module], cwd=ROOT, env=env, check=True)
        with web(env) as url:
            for file in shots.take(url, email=EMAIL, password=password, into=into):
                print(f"{file.stat().st_size / 1024:6.0f} KB  {file.name}")
    return 0


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Yield the environment of servers that live as long as the block."""
    directory = ROOT / ".local" / f"pictures-{secrets.token_hex(4)}"
    supervisor.current_supervisor().remove_at_end(directory)
    directory.mkdir(parents=True)
    running: list[PostgresServer | ValkeyServer] = []
    given = {name: os.environ.pop(name, None) for name in ("DATABASE_URL", "BROKER_URL")}
    try:
        found = platform.addresses(running, home=directory) | platform.direct()
        yield with_venv(
            os.environ | found | {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
        )
    finally:
        os.environ.update({name: value for name, value in given.items() if value})
        for server in reversed(running):
            server.stop()
        supervisor.close()


@contextmanager
def web(env: dict[str, str]) -> Iterator[str]:
    """Yield the address of a web server that lives as long as the block."""
    port = ports.port_from_env("WEB_PORT")
    command = ["gunicorn", "config.wsgi", f"--bind={ports.LOOPBACK}:{port}", "--threads=4"]
    process = subprocess.Popen([*command, "--log-level=warning"], cwd=ROOT, env=env)
    try:
        ports.wait_for_port(port, timeout=60)
        yield f"http://{ports.LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
