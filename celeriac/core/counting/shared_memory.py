"""Counting into memory that survives the process: one file for each child of a worker.

The file begins with the length of a directory of series (a line of JSON each), then comes the
directory, then the counters. A number is one aligned word, so a reader sees it before or after a
count, and a child that is killed has told all that it counted.
"""

import json
import logging
import mmap
import os
from pathlib import Path

from celeriac.core.counting.counters import Cells, Series

logger = logging.getLogger(__name__)

SIZE = 1 << 18
#: Room for the length and the directory.
CELLS_AT = 1 << 16
_WORD = 8


class SharedStore:
    """This process' counters in a file in `folder`, named after the process."""

    def __init__(self, folder: Path) -> None:
        path = folder / f"{os.getpid()}.counts"
        path.unlink(missing_ok=True)  # a namesake's: another file, or its counts would be ours
        with path.open("w+b") as file:
            file.write(bytes(SIZE))  # a hole kills when the disk is full
            file.flush()
            self._map = mmap.mmap(file.fileno(), SIZE)
        words = memoryview(self._map).cast("Q")
        self._length = words[:1]
        self.counters: Cells = words[CELLS_AT // _WORD :]  # type: ignore[assignment] # it has all we use
        self.at: dict[Series, int] = {}
        self._used = 0

    def make(self, series: Series, size: int) -> int | None:
        """Make the counters of a new series; return the first one's place, None if full."""
        line = (json.dumps([size, *series]) + "\n").encode()
        begin = _WORD + self._length[0]
        full = begin + len(line) > CELLS_AT or self._used + size > (SIZE - CELLS_AT) // _WORD
        if full:
            logger.error("too many series to count, %s is not counted", series)
            return None
        self._map[begin : begin + len(line)] = line
        self._length[0] += len(line)
        place, self._used = self._used, self._used + size
        self.at[series] = place
        return place


def read_counters(path: Path) -> dict[Series, list[int]]:
    """Return what the process of that file has counted in all."""
    data = path.read_bytes()
    words = memoryview(data[: len(data) // _WORD * _WORD]).cast("Q")
    if len(data) < SIZE:
        return {}
    place = CELLS_AT // _WORD
    found: dict[Series, list[int]] = {}
    for line in data[_WORD : _WORD + words[0]].splitlines():
        size, *series = json.loads(line)
        found[tuple(series)] = list(words[place : place + size])
        place += size
    return found


class Collector:
    """Reads the files of a folder, and says what came since it last did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[tuple[str, int], dict[Series, list[int]]] = {}

    def collect(self) -> list[dict[Series, list[int]]]:
        """Return the news of each process; forget those that are gone (they left no slot)."""
        news = []
        for path in sorted(self.folder.glob("*.counts")):
            gone = not path.with_suffix(".slot").exists()
            try:
                name = (path.name, path.stat().st_ino)
                now = read_counters(path)
            except FileNotFoundError:
                continue
            news.append(_difference(now, self._seen.get(name, {})))
            self._seen[name] = now
            if gone:
                path.unlink(missing_ok=True)
                del self._seen[name]
        return news


def _difference(
    now: dict[Series, list[int]], before: dict[Series, list[int]]
) -> dict[Series, list[int]]:
    found = {}
    for series, values in now.items():
        old = before.get(series, [0] * len(values))
        delta = [new - known for new, known in zip(values, old, strict=True)]
        if any(delta):
            found[series] = delta
    return found
