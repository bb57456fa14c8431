"""Changes of a project's files, line by line, as a patch or written."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path


@dataclass
class Edits:
    """What to change in the files below a folder."""

    root: Path
    #: By file: its lines as they shall be.
    _lines: dict[str, list[str]] = field(default_factory=dict)
    #: By file: how many lines were added above each line, so that line numbers stay those read.
    _added: dict[str, list[int]] = field(default_factory=dict)

    def insert(self, file: str, below: int, lines: list[str]) -> None:
        """Add lines below a line, which is counted from 1 as the file was read."""
        found = self._read(file)
        at = below + sum(1 for each in self._added[file] if each < below)
        ending = "\r\n" if found and found[0].endswith("\r\n") else "\n"
        if at and not found[at - 1].endswith("\n"):
            found[at - 1] += ending
        found[at:at] = [line + ending for line in lines]
        self._added[file] += [below] * len(lines)

    def replace(self, file: str, line: int, old: str, new: str) -> None:
        """Replace a part of a line."""
        found = self._read(file)
        at = line - 1 + sum(1 for each in self._added[file] if each < line)
        found[at] = found[at].replace(old, new, 1)

    def text(self, file: str) -> str:
        """Return a file as it shall be."""
        return "".join(self._read(file))

    def patch(self) -> Iterator[str]:
        """Yield the lines of a unified diff, such as `git apply` takes."""
        for file, lines in sorted(self._lines.items()):
            before = _lines_of(self.root / file)
            for line in unified_diff(before, lines, f"a/{file}", f"b/{file}"):
                yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    def write(self) -> list[str]:
        """Write the files that change; returns their names."""
        changed = [
            file
            for file, lines in sorted(self._lines.items())
            if lines != _lines_of(self.root / file)
        ]
        for file in changed:
            (self.root / file).write_text(self.text(file), encoding="utf-8", newline="")
        return changed

    def _read(self, file: str) -> list[str]:
        if file not in self._lines:
            self._lines[file] = _lines_of(self.root / file)
            self._added[file] = []
        return self._lines[file]


def _lines_of(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read().splitlines(keepends=True)
