"""The journal: what a child tells its parent, in memory that survives the child.

Each child of a worker owns one memory-mapped file. It writes a record before it
claims, before each handler and after each, so that a parent whose child died
knows what ran, what had ended and what never started (see records.py).
The child holds a lock on its file; when the lock is free, the child is dead.
"""

import fcntl
import json
import math
import mmap
import os
import time
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from uuid import UUID
from weakref import WeakSet
from zlib import crc32

from celeriac.jobs.outcomes import Settlement
from celeriac.jobs.running import awake_time
from celeriac.jobs.running.records import (
    ANSWERED,
    FROZEN,
    HALT,
    HEADER,
    IS_GONE,
    IS_HALTED,
    LOOKED,
    NOTES_AT,
    SIZE,
    SLOT_SIZE,
    TIMES_AT,
    pack_claim,
    pack_end,
    pack_start,
    shared_words,
)

_journals: "WeakSet[FileJournal]" = WeakSet()


def make_locked_file(path: Path) -> BinaryIO:
    """Make a file that nobody ever sees at `path` without its lock: whose lock is free is dead."""
    early = path.with_suffix(".new")
    file = early.open("w+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        early.rename(path)
    except OSError:
        file.close()
        raise
    return file


def lock_is_free(descriptor: int, *, keep: bool = False) -> bool:
    """Return whether nobody held the lock of this file; where `keep`, we do now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if not keep:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


class JournalFull(Exception):
    """The record does not fit."""


class Journal(Protocol):
    """Where a run leaves its traces."""

    def open(self, claim_id: UUID, ids: list[UUID]) -> None:
        """A claim is about to be made."""

    def start(self, job_id: UUID, hard_timeout: float | None) -> bool:
        """A handler is about to run; return whether it may."""

    def end(self, job_id: UUID, settlement: Settlement) -> None:
        """A handler has ended; JournalFull where the record does not fit."""

    def close(self) -> None:
        """Everything of the claim is settled."""

    def times(self, means: dict[str, float]) -> None:
        """The mean seconds of a run, by kind."""

    def answered(self) -> None:
        """The database has answered: a claim, though it took nothing, or a settle."""

    @property
    def is_halted(self) -> bool:
        """Whether nothing more of this claim may start: its parent takes back what has not."""


class NoJournal:
    """For a process without a parent that watches."""

    is_halted = False

    def open(self, claim_id: UUID, ids: list[UUID]) -> None:
        """Leave no trace."""

    def start(self, job_id: UUID, hard_timeout: float | None) -> bool:
        return True

    def end(self, job_id: UUID, settlement: Settlement) -> None:
        """Leave no trace."""

    def close(self) -> None:
        """Leave no trace."""

    def times(self, means: dict[str, float]) -> None:
        """Leave no trace."""

    def answered(self) -> None:
        """Leave no trace."""


class _Records:
    """Records of one claim at a time, in one part of a file."""

    _map: mmap.mmap

    def __init__(self, begin: int, limit: int) -> None:
        self._begin, self._limit = begin, limit
        self._at = begin
        #: Up to where records may lie that were written before.
        self._stale = begin
        self._claim = bytes(16)

    def open(self, claim_id: UUID, ids: list[UUID]) -> None:
        """A claim is about to be made."""
        begin = self._begin
        self._claim = claim_id.bytes
        payload = pack_claim(claim_id, ids, awake_time.awake_seconds())
        behind, stale = begin + HEADER.size + len(payload), max(self._at, self._stale)
        if stale > behind:
            # Zeroed once, so that no other record of this claim needs a zero behind it.
            self._map[behind:stale] = bytes(stale - behind)
        self._at = self._stale = begin
        self._append(payload)

    def start(self, job_id: UUID, hard_timeout: float | None) -> bool:
        """A handler is about to run; return whether it may."""
        until = math.inf if hard_timeout is None else awake_time.awake_seconds() + hard_timeout
        self._append(pack_start(job_id, until))
        return True

    def end(self, job_id: UUID, settlement: Settlement) -> None:
        """A handler has ended; JournalFull where the record does not fit."""
        self._append(pack_end(job_id, settlement))

    def close(self) -> None:
        """Everything of the claim is settled."""
        begin = self._begin
        self._map[begin : begin + HEADER.size] = bytes(HEADER.size)
        self._at, self._stale = begin, max(self._at, self._stale)

    def _append(self, payload: bytes) -> None:
        """Write a record whole; what lies behind it is zero."""
        at = self._at
        end = at + HEADER.size + len(payload)
        if end + HEADER.size > self._limit:
            raise JournalFull
        self._map[at:end] = HEADER.pack(len(payload), crc32(payload)) + payload
        self._at = end


class FileJournal(_Records):
    """A child's own journal, in `folder`, with so many `slots` for claims beside its own."""

    def __init__(self, folder: Path, slots: int = 0) -> None:
        super().__init__(0, TIMES_AT)
        self.path = folder / f"{os.getpid()}.slot"
        self._file = make_locked_file(self.path)
        size = SIZE + slots * SLOT_SIZE
        self._file.truncate(size)  # who opens it meanwhile sees all of it, or nothing
        # All of it now: on a full disk the first touch of a page would kill this process later.
        self._file.write(bytes(size))
        self._file.flush()
        self._map = mmap.mmap(self._file.fileno(), size)
        self._words = shared_words(self._map)
        self.slots = [SlotJournal(self, number, self._map) for number in range(1, slots + 1)]
        _journals.add(self)

    def abandon(self) -> None:
        """Let go of the file and its lock, as the death of the process would."""
        self._words.release()
        self._map.close()
        self._file.close()

    def start(self, job_id: UUID, hard_timeout: float | None) -> bool:
        """A handler is about to run; return whether it may.

        The record comes first, then the look: the parent says that nothing more may start, then
        reads the records. So one of the two sees the other, and no job is started and taken back.
        """
        super().start(job_id, hard_timeout)
        return not self._map[IS_HALTED] or not self.is_halted

    def times(self, means: dict[str, float]) -> None:
        """The mean seconds of a run, by kind."""
        payload = json.dumps(means).encode()
        end = TIMES_AT + HEADER.size + len(payload)
        if end + HEADER.size > NOTES_AT:
            raise JournalFull
        self._map[end : end + HEADER.size] = bytes(HEADER.size)
        self._map[TIMES_AT:end] = HEADER.pack(len(payload), crc32(payload)) + payload

    def answered(self) -> None:
        """The database has answered: a claim, though it took nothing, or a settle."""
        self._words[ANSWERED] = time.monotonic()

    @property
    def shared(self) -> Any:
        """The words that both sides read and write, see records.py."""
        return self._words

    @property
    def is_halted(self) -> bool:
        """Whether nothing more of this claim may start: its parent takes back what has not."""
        return bool(self._map[IS_HALTED]) and self._map[HALT] == self._claim

    @property
    def is_gone(self) -> bool:
        """Whether the parent has found that the file is no longer at its place."""
        return bool(self._map[IS_GONE])

    def frozen(self) -> float:
        """Return how many seconds the parent has seen this process frozen."""
        return float(self._words[FROZEN])

    def looked(self) -> float:
        """Return when the parent last looked (monotonic seconds); 0 before it ever did."""
        return float(self._words[LOOKED])


class SlotJournal(_Records):
    """The part of a journal in which one slot notes its claim: nothing of it waits for a turn."""

    is_halted = False

    def __init__(self, whole: FileJournal, number: int, shared: mmap.mmap) -> None:
        begin = SIZE + (number - 1) * SLOT_SIZE
        super().__init__(begin, begin + SLOT_SIZE)
        self._whole = whole
        self._map = shared

    def start_on_loop(self, job_id: UUID, until: float) -> None:
        """A coroutine is about to run, or may run for longer: `until` then by the child's clock."""
        self._append(pack_start(job_id, until, on_loop=True))

    def times(self, means: dict[str, float]) -> None:
        """The mean seconds of a run, by kind, of the whole process."""
        self._whole.times(means)

    def answered(self) -> None:
        """The database has answered."""
        self._whole.answered()


def _let_go_in_fork() -> None:
    """A handler's fork shares the lock, and would keep its parent alive in the monitor's eyes."""
    awake_time.forget_watch()
    for journal in list(_journals):
        journal.abandon()


os.register_at_fork(after_in_child=_let_go_in_fork)
