"""The folder of a worker's journals: made for one instance, read by the next where that died.

A worker holds a lock on the file `owner` of its folder, which says whose it is. Where the lock
is free the worker is dead, and what its children left is settled before the folder is removed:
by whoever of the same ledger comes first.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import UUID
from weakref import WeakSet

from django.db import connection

from celeriac.jobs.running.child_records import ChildJournals
from celeriac.jobs.running.journals import lock_is_free, make_locked_file

#: Seconds after which what another ledger's worker left is removed unread.
KEPT = 86_400.0
_STOPPING = "stopping"

_held: "WeakSet[Folder]" = WeakSet()


class Folder:
    """One worker's folder, whose lock this process holds."""

    def __init__(self, path: Path, owner: UUID, lock: BinaryIO) -> None:
        self.path = path
        self.owner = owner
        self.child_journals = ChildJournals(path)
        self._lock = lock
        _held.add(self)

    @classmethod
    def make(cls, parent: Path, owner: UUID) -> "Folder":
        """Make a new one in `parent`, for this instance of a worker."""
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix=_prefix(), dir=parent))
        return cls(path, owner, _own(path, owner))

    @property
    def is_whole(self) -> bool:
        """Whether the folder and its lock are still where they were."""
        try:
            return (self.path / "owner").stat().st_ino == _inode(self._lock)
        except OSError:
            return False

    @property
    def is_left_stopping(self) -> bool:
        """Whether its worker was told to stop."""
        return (self.path / _STOPPING).exists()

    def mend(self) -> None:
        """Make it anew at its place; OSError where that can't be."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lost, self._lock = self._lock, _own(self.path, self.owner)
        lost.close()

    def note_stop(self) -> None:
        """Say to whoever finds it that its worker was told to stop."""
        with contextlib.suppress(OSError):
            (self.path / _STOPPING).touch()

    def remove(self) -> None:
        """Remove it with all that is in it."""
        self.child_journals.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def leave(self) -> None:
        """Let go of it for whoever comes next."""
        self.child_journals.close()
        self._lock.close()

    def let_go_in_fork(self) -> None:
        """A child's copy of the lock would keep a dead worker's folder from being read."""
        self._lock.close()


def left_behind(parent: Path) -> Iterator[Folder]:
    """Yield the folders that dead workers of this ledger left; each is ours until it is let go.

    Those of other ledgers are not ours to read: they are removed when they are old.
    """
    for path in sorted(parent.glob("celeriac-*/owner")):
        # Another worker may be faster, and another user's is not ours.
        with contextlib.suppress(OSError):
            folder = _take(path)
            if folder is not None and path.parent.name.startswith(_prefix()):
                yield folder
            elif folder is not None:
                folder.remove() if time.time() - path.stat().st_mtime > KEPT else folder.leave()


def _take(path: Path) -> Folder | None:
    """Return the folder of this `owner` once we hold its lock; None where another does."""
    file = path.open("r+b")
    if not lock_is_free(file.fileno(), keep=True):
        file.close()
        return None
    try:
        owner = UUID(file.read(64).decode())
    except ValueError:
        owner = UUID(int=0)
    return Folder(path.parent, owner, file)


def _own(path: Path, owner: UUID) -> BinaryIO:
    file = make_locked_file(path / "owner")
    file.write(str(owner).encode())
    file.flush()
    return file


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _let_go_in_fork() -> None:
    for folder in list(_held):
        folder.let_go_in_fork()


os.register_at_fork(after_in_child=_let_go_in_fork)


def _prefix() -> str:
    """Return how the folders begin of all workers that have the same database."""
    where = {name: str(connection.settings_dict.get(name)) for name in ("HOST", "PORT", "NAME")}
    return f"celeriac-{hashlib.sha256(repr(where).encode()).hexdigest()[:12]}-"
