"""The Procfile: the parts of the platform and their commands."""

import shlex
import sys
from pathlib import Path

from honcho.environ import parse_procfile

ROOT = Path(__file__).resolve().parent.parent
#: What runs our code, and so starts again when it changes; the stand-ins and Flower do not.
RELOADED = (
    "web",
    "dispatcher",
    "worker",
    "worker-payments",  # here only
    "plain",
    "beat",
)


def parts_of_procfile() -> dict[str, str]:
    """Return the Procfile's shell commands by name."""
    return dict(parse_procfile((ROOT / "Procfile").read_text()).processes)


def parts_of_laptop() -> dict[str, str]:
    """Return the same for a laptop, where changed code is loaded."""
    reload = f"exec {shlex.quote(sys.executable)} -m sandbox.reloading"
    parts = parts_of_procfile()
    return parts | {name: f"{reload} {name}" for name in RELOADED}
