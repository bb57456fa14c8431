"""An append-only file of JSON lines, so that a restart keeps what a stand-in knew."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO


class Journal:
    """Appends records, those of one batch as one line; without a path it keeps nothing.

    Each line is handed to the kernel at once (no fsync): it survives the process, not the machine.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = Path(path) if path else None
        self._local = threading.local()
        self._lock = threading.Lock()
        self._file: TextIO | None = None

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield what was recorded, in order; a torn last line is dropped."""
        if self._path is None or not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                with contextlib.suppress(json.JSONDecodeError):
                    yield from json.loads(line)

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Write the records of this thread together, all or none, when the block ends."""
        self._local.records = []
        try:
            yield
        finally:
            records, self._local.records = self._local.records, None
            self._write(records)

    def append(self, record: dict[str, Any]) -> None:
        """Record one JSON object, in the open batch if there is one."""
        if self._path is None:
            return
        records = getattr(self._local, "records", None)
        if records is None:
            self._write([record])
        else:
            records.append(record)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._close()
            if self._path is not None:
                self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; a later record opens it again."""
        with self._lock:
            self._close()

    def _write(self, records: list[dict[str, Any]]) -> None:
        if not records or self._path is None:
            return
        line = json.dumps(records, separators=(",", ":")) + "\n"
        with self._lock:
            if self._file is None:
                self._file = _opened(self._path)
            self._file.write(line)
            self._file.flush()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _opened(path: Path) -> TextIO:
    """Open a journal to append to; a torn last line is ended, lest it swallow the next one."""
    file = path.open("a", encoding="utf-8")
    if file.tell() > 0 and not _ends_with_newline(path):
        file.write("\n")
    return file


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as data:
        data.seek(-1, os.SEEK_END)
        return data.read() == b"\n"
