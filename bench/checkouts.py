"""Which checkouts are measured: this one, and an older commit's beside it in the same rounds.

The other one runs with an environment of its own (its `.venv`), and with this bench: a directory
that holds nothing but a link to it comes first on its path.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.engine import Engine, engine_of
from bench.rows import Row

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of this project; the name of this one is empty."""

    name: str
    root: Path

    @property
    def engine(self) -> Engine:
        """The names of what is called there."""
        return engine_of(self.root)

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.root / ".venv" / "bin" / "python") if self.name else sys.executable

    @property
    def suffix(self) -> str:
        """What is added to the names of its rows."""
        return f"@{self.name}" if self.name else ""

    def environment(self, directory: Path) -> dict[str, str]:
        """Return what makes it run this bench; `directory` is one to work in."""
        if not self.name:
            return {}
        overlay = directory / "overlay"
        overlay.mkdir(exist_ok=True)
        if not (overlay / "bench").exists():
            (overlay / "bench").symlink_to(ROOT / "bench")
        path = os.pathsep.join((str(overlay), str(self.root)))
        return {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


OURS = Checkout("", ROOT)


@dataclass(frozen=True, slots=True)
class Subject:
    """A row of a checkout."""

    row: Row
    checkout: Checkout = OURS

    @property
    def name(self) -> str:
        """As it stands in the results."""
        return self.row.name + self.checkout.suffix

    @property
    def database(self) -> str:
        """The database that it has to itself, or shares with its like."""
        return self.row.database + self.checkout.suffix.replace("@", "_")


def checkout_at(text: str) -> Checkout:
    """Return the checkout at PATH, or NAME=PATH; the name is the commit's unless given."""
    name, _, path = text.rpartition("=")
    root = Path(path).resolve()
    if not (root / ".venv" / "bin" / "python").exists():
        raise ValueError(f"{root} has no .venv: run `make setup` there")
    command = ["git", "-C", str(root), "rev-parse", "--short=7", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return Checkout(name or found.stdout.strip(), root)
