"""One instance of a worker: what its processes share by the fork."""

import logging
import mmap
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from celeriac.jobs.running.folders import Folder

logger = logging.getLogger(__name__)

#: Words of the memory that the parent shares with its children, by number.
_STOPPING, _HEARD = 0, 1


class WorkerInstance:
    """One instance of this worker: its folder, and a page of memory that no disk can lose."""

    def __init__(self, parent: Path) -> None:
        self.id: UUID = uuid4()
        self.folder = Folder.make(parent, self.id)
        # Any: typeshed's memoryview takes no doubles.
        self._words: Any = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")

    @property
    def canary(self) -> str:
        """The queue of this instance alone."""
        return f"celeriac:canary:{self.id}"

    @property
    def stopping_since(self) -> float | None:
        """When the worker was told to stop (monotonic seconds), None where it was not."""
        return self._words[_STOPPING] or None

    def is_stopping(self) -> bool:
        """Whether nothing more may start."""
        return bool(self._words[_STOPPING])

    def stop(self) -> None:
        """Let the children start nothing more; a second call does not prolong the grace."""
        if not self._words[_STOPPING]:
            self._words[_STOPPING] = time.monotonic()
            self.folder.note_stop()

    def heard(self) -> None:
        """Note that the database knows by now that the worker lives."""
        self._words[_HEARD] = time.monotonic()

    @property
    def unheard_for(self) -> float:
        """Seconds since the database was told that the worker lives; 0 before it ever was."""
        heard = self._words[_HEARD]
        return time.monotonic() - heard if heard else 0.0

    def leave(self) -> None:
        """Remove the folder at the end; what is not settled stays, for the next worker to read."""
        if any(child.read().claim_id for child in self.folder.child_journals.all()):
            logger.warning(
                "the database is away: what its children did stays in %s", self.folder.path
            )
            self.folder.leave()
        else:
            self.folder.remove()
