"""`make up`: the whole platform in the foreground, from the Procfile. Ctrl-C stops all of it."""

import signal
import subprocess
import sys
import threading

from honcho import manager as honcho

from celeriac.core.printing import escape_unprintable
from sandbox import platform, ports
from sandbox.platform import ROOT
from sandbox.procfile import parts_of_laptop
from sandbox.run import migrate, with_venv

#: Seconds between SIGTERM and SIGKILL: longer than a laptop's jobs take.
GRACE = 35
ADMIN = "admin@celeriac.example"
READY = """
  Celeriac is up.
    admin    http://{host}:{web}/admin/   {admin}  {password}
    flower   http://{host}:{web}/flower/   the same
    gateway  http://{host}:{gateway}   mail sink  smtp://{host}:{smtp}
    docs     http://{host}:{web}/api/docs/   the HTTP API
  Changed code is loaded by itself; make manage ARGS='jobs list' runs manage.py here.
  Ctrl-C stops all of it.
"""


def main() -> int:
    """Run the platform until Ctrl-C, SIGTERM or the end of any part; return the exit code."""
    escape_unprintable()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with platform.exclusive_environment() as env:
            migrate(env)
            make_admin(env)
            return run_procfile(with_venv(env))
    except platform.AlreadyRunning as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def interrupt(number: int, frame: object) -> None:
    """End as Ctrl-C does while the platform is still starting."""
    raise KeyboardInterrupt


def make_admin(env: dict[str, str]) -> None:
    """Make the administrator, with the password that this checkout keeps."""
    password = platform.kept_secret("admin")
    given = env | {"ADMIN_EMAIL": ADMIN, "ADMIN_PASSWORD": password}
    command = [sys.executable, "-m", "sandbox.administrator"]
    subprocess.run(command, cwd=ROOT, env=given, check=True)


def run_procfile(env: dict[str, str]) -> int:
    """Run every part of the Procfile; the end of one ends all. Return 0 for an ordered stop."""
    honcho.KILL_WAIT = GRACE
    parts = honcho.Manager()
    for name, command in parts_of_laptop().items():
        parts.add_process(name, command, env=env, cwd=str(ROOT))
    threading.Thread(target=announce, args=[env], daemon=True).start()
    parts.loop()
    ordered = {honcho.SIGNALS[number]["rc"] for number in (signal.SIGINT, signal.SIGTERM)}
    code = parts.returncode
    return 0 if code in ordered else int(code or 0) or 1


def announce(env: dict[str, str]) -> None:
    """Print where everything is, once everything answers."""
    for name in platform.PORTS:
        ports.wait_for_port(int(env[name]), timeout=120)
    text = READY.format(
        host=ports.LOOPBACK,
        web=env["WEB_PORT"],
        gateway=env["GATEWAY_PORT"],  # here only
        smtp=env["SMTP_PORT"],
        admin=ADMIN,
        password=platform.kept_secret("admin"),
    )
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
