"""The parent's end of its children's journals, held open: a removed file is seen all the same.

A parent that only read what lies in the folder would lose sight of every child whose file
somebody removes, and of what it runs.
"""

import contextlib
import mmap
import os
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from celeriac.jobs.outcomes import Settlement
from celeriac.jobs.running.journals import lock_is_free
from celeriac.jobs.running.records import (
    ANSWERED,
    BEAT,
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
    TURN,
    WORDS_AT,
    append_record,
    claimed_ids,
    ended_entries,
    pack_kill,
    read_records,
    shared_words,
)

#: How often a journal is read again whose child has opened another claim meanwhile.
_READINGS = 5
#: Seconds without a beat of a loop after which the step that it is at blocks it.
BLOCKED_AFTER = 1.0
#: Seconds in which a loop that goes round gives each that is ready its turn: two beats.
ROUND = 0.5
#: How the part of a slot begins that has no claim.
_NOTHING = bytes(HEADER.size)


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """What a journal says of a child: its claim, what ended, what runs since when.

    `opened` and `running_until` are seconds of the child's own clock, see `awake`.
    """

    pid: int
    alive: bool
    claim_id: UUID | None = None
    ids: tuple[UUID, ...] = ()
    opened: float = 0.0
    started: tuple[UUID, ...] = ()
    ended: Mapping[UUID, Settlement] = field(default_factory=dict)
    running: UUID | None = None
    running_until: float = 0.0
    means: dict[str, float] = field(default_factory=dict)
    #: When the database last answered the child (monotonic seconds); 0 before it ever did.
    answered: float = 0.0
    #: Seconds that it was frozen.
    frozen: float = 0.0
    #: Whether what runs is a coroutine on the process' loop, when that last went round (by the
    #: child's clock), whether it does no more, and whose step blocks it.
    on_loop: bool = False
    beat: float = 0.0
    is_blocked: bool = False
    blocker: UUID | None = None

    @property
    def awake(self) -> float:
        """The time by the child's own clock."""
        return time.monotonic() - self.frozen

    @property
    def is_overdue(self) -> bool:
        """Whether what runs is past its hard limit; on a loop, though it could have its turn."""
        if not self.running or self.awake <= self.running_until:
            return False
        return not self.on_loop or self.is_blocked or self.beat >= self.running_until + ROUND

    @property
    def unstarted(self) -> list[UUID]:
        """The jobs of its claim whose turn has not come."""
        begun = {*self.ended, *self.started}
        return [job_id for job_id in self.ids if job_id not in begun]


class ChildJournal:
    """One child's journal, as its parent has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pid = int(path.stem)
        self._file = path.open("r+b")
        try:
            self._map = mmap.mmap(self._file.fileno(), 0)
            if len(self._map) < SIZE:
                raise ValueError(self.path)
        except ValueError:  # its child has not finished making it
            self._file.close()
            raise
        self._words = shared_words(self._map)
        # Two threads look at it: what one has removed the other may still be reading.
        self.close = weakref.finalize(self, _close, self._words, self._map, self._file)

    def read(self) -> ChildRecord:
        """Return what the journal says of the child, and of the claim that it works on by turns."""
        return self._read_settled(not lock_is_free(self._file.fileno()), 0, TIMES_AT)

    def read_all(self) -> list[ChildRecord]:
        """Return the same, and a record more for each slot that has a claim of its own."""
        alive = not lock_is_free(self._file.fileno())
        beat, turn = self._words[BEAT], self._words[TURN]
        every = [self._read_settled(alive, 0, TIMES_AT)]
        for at in range(SIZE, len(self._map), SLOT_SIZE):
            if self._map[at : at + HEADER.size] != _NOTHING:
                every.append(self._read_settled(alive, at, at + SLOT_SIZE))
        # The beat is older than the records: a limit that has moved since was read moved. And it
        # is blocked by who is at the same step still: who is next there has blocked nobody.
        is_silent = every[0].awake - beat > BLOCKED_AFTER
        is_blocked = is_silent and (beat, turn) == (self._words[BEAT], self._words[TURN])
        blocker = self._running_at(alive, int(turn)) if is_blocked else None
        loop: dict[str, Any] = {"beat": beat, "is_blocked": is_blocked, "blocker": blocker}
        return [replace(each, **loop) if each.on_loop else each for each in every]

    def _running_at(self, alive: bool, number: int) -> UUID | None:
        """Return the job that runs in the slot of this number, from 1 on."""
        at = SIZE + (number - 1) * SLOT_SIZE
        is_there = number and at < len(self._map)
        return self._read_settled(alive, at, at + SLOT_SIZE).running if is_there else None

    def write_looked(self, frozen: float) -> None:
        """Tell the child that it is watched, and that it was frozen for so many seconds more."""
        if frozen:
            self._words[FROZEN] += frozen
        self._words[LOOKED] = time.monotonic()

    def note_kill(self, job_id: UUID, why: str) -> None:
        """Note that the child is about to be killed because of a job: whoever buries it reads it.

        It is a note of the child, whatever the job has come to when the kill arrives.
        """
        if job_id not in self.killed_for():
            append_record(self._map, pack_kill(job_id, why), NOTES_AT, WORDS_AT)

    def killed_for(self) -> dict[UUID, str]:
        """Return the jobs because of which the child was killed, and why."""
        notes = read_records(self._map, NOTES_AT, WORDS_AT)
        return {UUID(note["kill"]): note["why"] for note in notes}

    def halt(self, claim_id: UUID) -> ChildRecord:
        """Let nothing more of the claim start; return what the journal says then."""
        self._map[HALT] = claim_id.bytes
        self._map[IS_HALTED] = 1
        return self.read()

    def tell_gone(self) -> None:
        """Have the child make another journal."""
        self._map[IS_GONE] = 1

    def _read_settled(self, alive: bool, at: int, limit: int) -> ChildRecord:
        for _ in range(_READINGS):
            claim = self._map[at : at + HEADER.size]
            trace = self._read(alive, at, limit)
            if self._map[at : at + HEADER.size] == claim:
                break
        return trace

    def _read(self, alive: bool, at: int, limit: int) -> ChildRecord:
        idle = ChildRecord(
            self.pid,
            alive,
            means=next(read_records(self._map, TIMES_AT, NOTES_AT), {}),
            answered=self._words[ANSWERED],
            frozen=self._words[FROZEN],
        )
        records = list(read_records(self._map, at, limit))
        if not records or "claim" not in records[0]:
            return idle
        last = records[-1] if "start" in records[-1] else {}
        return replace(
            idle,
            claim_id=records[0]["claim"],
            ids=claimed_ids(records[0]),
            opened=records[0]["at"],
            started=tuple(each["start"] for each in records if "start" in each),
            ended=dict(ended_entries(records)),
            running=last.get("start"),
            running_until=last.get("until", 0.0),
            on_loop=last.get("on_loop", False),
        )


class ChildJournals:
    """All journals of a folder that ever were seen, until they are removed. Safe for threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[tuple[int, int], ChildJournal] = {}
        self._here: set[tuple[int, int]] = set()
        self._lock = threading.Lock()

    def all(self) -> list[ChildJournal]:
        """Return every journal, new ones too."""
        with self._lock:
            self._here = self._find()
            return list(self._known.values())

    def hold_claims(self) -> bool:
        """Return whether some claim is open."""
        return any(record.claim_id for child in self.all() for record in child.read_all())

    def astray(self) -> list[ChildJournal]:
        """Return those whose file was not at its place when all were asked for last."""
        with self._lock:
            return [child for key, child in self._known.items() if key not in self._here]

    def remove(self, child: ChildJournal) -> None:
        """Forget a journal, which closes once nobody reads it; remove its file if it is there."""
        with self._lock:
            for key, each in list(self._known.items()):
                if each is child:
                    del self._known[key]
                    if _key(child.path) == key:
                        child.path.unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            for child in self._known.values():
                child.close()
            self._known.clear()

    def _find(self) -> set[tuple[int, int]]:
        """Open what is new; return what is there."""
        here: set[tuple[int, int]] = set()
        with contextlib.suppress(OSError):  # the folder went away
            for name in sorted(os.listdir(self.folder)):
                if name.endswith(".slot") and (key := _key(path := f"{self.folder}/{name}")):
                    here.add(key)
                    if key not in self._known:
                        with contextlib.suppress(OSError, ValueError):  # it went, or is not ours
                            self._known[key] = ChildJournal(Path(path))
        return here


def _close(words: memoryview, mapped: mmap.mmap, file: IO[bytes]) -> None:
    words.release()
    mapped.close()
    file.close()


def _key(path: Path | str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
