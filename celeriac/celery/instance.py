"""One instance of a worker: what its processes share by the fork."""

import contextlib
import json
import logging
import mmap
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from celeriac.jobs.running.folders import Folder
from celeriac.jobs.slots import ONE, Slots

logger = logging.getLogger(__name__)

#: Words of the memory that the parent shares with its children, by number.
_STOPPING, _HEARD = 0, 1
#: Bytes of the page that says what the worker consumes.
_NAMES = 1 << 16
#: Children that are called off at a time.
_MOST_CALLS = 1 << 10


class WorkerInstance:
    """One instance of this worker: its folder, and a page of memory that no disk can lose."""

    def __init__(self, parent: Path, slots: Slots = ONE) -> None:
        self.id: UUID = uuid4()
        self.slots = slots
        self.folder = Folder.make(parent, self.id)
        # Any: typeshed's memoryview takes no doubles.
        self._words: Any = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
        self._names = mmap.mmap(-1, _NAMES)
        self.call_pipe, self._caller = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

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

    @property
    def line_queues(self) -> tuple[str, ...]:
        """The queues for which children may wait on the open line, in the worker's order."""
        names = self._names[: self._names.find(b"\0")]
        try:
            return tuple(json.loads(names or b"[]"))
        except ValueError:  # it is being written
            return ()

    @line_queues.setter
    def line_queues(self, names: Sequence[str]) -> None:
        text = json.dumps(list(names)).encode()
        if len(text) >= _NAMES:  # too many to be waited for
            text = b"[]"
        if self._names[: len(text) + 1] != text + b"\0":
            self._names[:] = text.ljust(_NAMES, b"\0")

    def call_off(self, count: int) -> None:
        """Have so many children leave the open line: as many as messages wait for one."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.call_pipe, _MOST_CALLS)
        if count:
            os.write(self._caller, b"!" * min(count, _MOST_CALLS))

    def take_call(self) -> bool:
        """Take one call of the parent; return whether there was one."""
        try:
            return bool(os.read(self.call_pipe, 1))
        except BlockingIOError:
            return False

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
        if self.folder.child_journals.hold_claims():
            logger.warning(
                "the database is away: what its children did stays in %s", self.folder.path
            )
            self.folder.leave()
        else:
            self.folder.remove()
