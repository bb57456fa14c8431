"""The slot: what a child tells its parent, in memory that survives the child.

Each child of a worker owns one memory-mapped file. It writes a record before it
claims, before each handler and after each, so that a parent whose child died
knows what ran, what had ended and what never started. A record is complete or
not there: its checksum is written with it, and the record behind it is zero.
The child holds a lock on its file; when the lock is free, the child is dead.
"""

import contextlib
import fcntl
import json
import mmap
import os
import shutil
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from uuid import UUID
from weakref import WeakSet

from apps.jobs.outcomes import Outcome, Settlement
from apps.jobs.running.settle import Entry
from apps.jobs.states import Verb

SIZE = 1 << 20
#: A record's payload: these two are too frequent for JSON, which starts with a brace.
_START = struct.Struct("<c16sd")  # job, until when it may run
_DONE = struct.Struct("<c16sdd??")  # job, started, seconds, whether an attempt is written, a result
#: Room at the end of the file for the run times by kind.
TIMES_AT = SIZE - (1 << 16)
_HEADER = struct.Struct("<II")
#: Behind everything else: one word that is written over and over, without a record's form.
WORDS_AT = SIZE - 64
_ANSWERED = struct.Struct("<d")  # when the database last answered the child (monotonic seconds)

_owners: list[BinaryIO] = []
_slots: "WeakSet[FileSlot]" = WeakSet()


def make_folder(parent: Path) -> Path:
    """Make a folder for one worker's slots; remove those that dead workers left."""
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob("celeriac-*/owner"):
        with contextlib.suppress(OSError), left.open("r+b") as file:
            # Another worker that starts now may be faster, and another user's is not ours.
            if _lock_is_free(file.fileno()):
                shutil.rmtree(left.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="celeriac-", dir=parent))
    _owners.append(_locked(folder / "owner"))  # held until the process ends
    return folder


def _locked(path: Path) -> BinaryIO:
    """Make a file that nobody ever sees at `path` without its lock: whose lock is free is dead."""
    early = path.with_suffix(".new")
    file = early.open("w+b")
    fcntl.flock(file, fcntl.LOCK_EX)
    early.rename(path)
    return file


class SlotFull(Exception):
    """The record does not fit."""


class Slot(Protocol):
    """Where a run leaves its traces."""

    def open(self, claim_id: UUID, ids: list[UUID]) -> None:
        """A claim is about to be made."""

    def start(self, job_id: UUID, hard_timeout: float) -> None:
        """A handler is about to run."""

    def end(self, entry: Entry) -> None:
        """A handler has ended; SlotFull where the record does not fit."""

    def close(self) -> None:
        """Everything of the claim is settled."""

    def times(self, means: dict[str, float]) -> None:
        """The mean seconds of a run, by kind."""

    def answered(self) -> None:
        """The database has answered: a claim, though it took nothing, or a settle."""


class NoSlot:
    """For a process without a parent that watches."""

    def open(self, claim_id: UUID, ids: list[UUID]) -> None:
        """Leave no trace."""

    def start(self, job_id: UUID, hard_timeout: float) -> None:
        """Leave no trace."""

    def end(self, entry: Entry) -> None:
        """Leave no trace."""

    def close(self) -> None:
        """Leave no trace."""

    def times(self, means: dict[str, float]) -> None:
        """Leave no trace."""

    def answered(self) -> None:
        """Leave no trace."""


class FileSlot:
    """A child's own slot, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{os.getpid()}.slot"
        self._file = _locked(self.path)
        # All of it now: on a full disk the first touch of a page would kill this process later.
        self._file.write(bytes(SIZE))
        self._file.flush()
        self._map = mmap.mmap(self._file.fileno(), SIZE)
        self._at = 0
        _slots.add(self)

    def abandon(self) -> None:
        """Let go of the file and its lock, as the death of the process would."""
        self._map.close()
        self._file.close()

    def open(self, claim_id: UUID, ids: list[UUID]) -> None:
        """A claim is about to be made."""
        self._at = 0
        self._write({"claim": str(claim_id), "ids": [str(job_id) for job_id in ids]})

    def start(self, job_id: UUID, hard_timeout: float) -> None:
        """A handler is about to run."""
        self._append(_START.pack(b"S", job_id.bytes, time.monotonic() + hard_timeout))

    def end(self, entry: Entry) -> None:
        """A handler has ended; SlotFull where the record does not fit."""
        done = _pack_done(entry)
        if done is None:
            self._write({"end": _dump(entry)})
        else:
            self._append(done)

    def close(self) -> None:
        """Everything of the claim is settled."""
        self._map[: _HEADER.size] = bytes(_HEADER.size)
        self._at = 0

    def times(self, means: dict[str, float]) -> None:
        """The mean seconds of a run, by kind."""
        self._put(TIMES_AT, json.dumps(means).encode(), WORDS_AT)

    def answered(self) -> None:
        """The database has answered: a claim, though it took nothing, or a settle."""
        _ANSWERED.pack_into(self._map, WORDS_AT, time.monotonic())

    def _write(self, record: dict[str, Any]) -> None:
        self._append(json.dumps(record).encode())

    def _append(self, payload: bytes) -> None:
        self._put(self._at, payload, TIMES_AT)
        self._at += _HEADER.size + len(payload)

    def _put(self, at: int, payload: bytes, limit: int) -> None:
        body = at + _HEADER.size
        end = body + len(payload)
        if end + _HEADER.size > limit:
            raise SlotFull
        self._map[end : end + _HEADER.size] = bytes(_HEADER.size)
        self._map[body:end] = payload
        self._map[at:body] = _HEADER.pack(len(payload), zlib.crc32(payload))


def _let_go_in_fork() -> None:
    """A handler's fork shares the lock, and would keep its parent alive in the watch's eyes."""
    for slot in list(_slots):
        slot.abandon()


os.register_at_fork(after_in_child=_let_go_in_fork)


@dataclass(frozen=True, slots=True)
class Trace:
    """What a slot says of a child: its claim, what ended, what runs since when."""

    pid: int
    alive: bool
    claim_id: UUID | None = None
    ids: tuple[UUID, ...] = ()
    ended: tuple[Entry, ...] = ()
    running: UUID | None = None
    running_until: float = 0.0
    means: dict[str, float] = field(default_factory=dict)
    #: When the database last answered the child (monotonic seconds); 0 before it ever did.
    answered: float = 0.0


def read(path: Path) -> Trace:
    """Return what the slot at `path` says."""
    with path.open("r+b") as file:
        alive = not _lock_is_free(file.fileno())
        data = file.read(SIZE)
    pid = int(path.stem)
    means = next(_records(data, TIMES_AT, WORDS_AT), {})
    (answered,) = _ANSWERED.unpack_from(data, WORDS_AT)
    records = list(_records(data, 0, TIMES_AT))
    if not records or "claim" not in records[0]:
        return Trace(pid, alive, means=means, answered=answered)
    claim_id = UUID(records[0]["claim"])
    ended = tuple(_ends(records, claim_id))
    running = records[-1] if "start" in records[-1] else None
    return Trace(
        pid,
        alive,
        claim_id=claim_id,
        ids=tuple(UUID(job_id) for job_id in records[0]["ids"]),
        ended=ended,
        running=running["start"] if running else None,
        running_until=running["until"] if running else 0.0,
        means=means,
        answered=answered,
    )


def _records(data: bytes, at: int, limit: int) -> Iterator[dict[str, Any]]:
    while at + _HEADER.size <= min(limit, len(data)):
        length, checksum = _HEADER.unpack_from(data, at)
        payload = data[at + _HEADER.size : at + _HEADER.size + length]
        if not length or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield _unpack(payload)
        at += _HEADER.size + length


def _unpack(payload: bytes) -> dict[str, Any]:
    if payload.startswith(b"S"):
        _, job_id, until = _START.unpack(payload)
        return {"start": UUID(bytes=job_id), "until": until}
    if payload.startswith(b"D"):
        return {"done": payload}
    record: dict[str, Any] = json.loads(payload)
    return record


def _ends(records: list[dict[str, Any]], claim_id: UUID) -> Iterator[Entry]:
    for record in records:
        if "done" in record:
            yield _load_done(record["done"], claim_id)
        elif "end" in record:
            yield _load(record["end"], claim_id)


def _lock_is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _pack_done(entry: Entry) -> bytes | None:
    """Return the record of a plain success, None where there is more to say."""
    settlement, outcome = entry.settlement, entry.outcome
    plain = settlement.verb is Verb.COMPLETE and not outcome.message and not settlement.error
    if not plain or entry.started is None or entry.seconds is None:
        return None
    result, job = settlement.result, entry.job_id.bytes
    facts = (entry.started, entry.seconds, settlement.writes_attempt, result is not None)
    return _DONE.pack(b"D", job, *facts) + (result or "").encode()


def _load_done(payload: bytes, claim_id: UUID) -> Entry:
    _, job_id, started, seconds, writes_attempt, has_result = _DONE.unpack_from(payload)
    result = payload[_DONE.size :].decode() if has_result else None
    settlement = Settlement(Verb.COMPLETE, result=result, writes_attempt=writes_attempt)
    outcome = Outcome(Verb.COMPLETE, result=result)
    return Entry(UUID(bytes=job_id), claim_id, settlement, outcome, started, seconds)


def _dump(entry: Entry) -> dict[str, Any]:
    return {
        "job": str(entry.job_id),
        "settlement": asdict(entry.settlement),
        "outcome": asdict(entry.outcome),
        "started": entry.started,
        "seconds": entry.seconds,
    }


def _load(data: dict[str, Any], claim_id: UUID) -> Entry:
    settlement = data["settlement"] | {"verb": Verb(data["settlement"]["verb"])}
    outcome = data["outcome"] | {"verb": Verb(data["outcome"]["verb"])}
    return Entry(
        UUID(data["job"]),
        claim_id,
        Settlement(**settlement),
        Outcome(**outcome),
        data["started"],
        data["seconds"],
    )
