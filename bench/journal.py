"""What a run has measured so far, kept after every stage: a run that was stopped goes on there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Journal:
    """A file with one line per measurement, by name."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        """Go on with what the file holds, or begin anew."""
        self._path = path
        self._known: dict[str, Any] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if not resume:
            path.unlink(missing_ok=True)
        elif path.exists():
            for line in path.read_text().splitlines():
                self._known |= json.loads(line)

    def measured(self, name: str, measure: Callable[[], Any]) -> Any:
        """Return what is known under a name, else measure and keep it."""
        if name not in self._known:
            self._known[name] = measure()
            with self._path.open("a") as file:
                file.write(json.dumps({name: self._known[name]}) + "\n")
        return self._known[name]
