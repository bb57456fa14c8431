"""The form of a journal: records one behind the other, the run times, and words at the end.

A record is complete or not there: its checksum is written with it, and the record behind it is
zero. The words are written over and over, by one side each, without a record's form.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from mmap import mmap
from typing import Any
from uuid import UUID

from celeriac.jobs.outcomes import Settlement
from celeriac.jobs.states import Verb

SIZE = 1 << 20
#: Room at the end of the file for the run times by kind.
TIMES_AT = SIZE - (1 << 16)
#: The words: first some of eight bytes, by number.
WORDS_AT = SIZE - 64
#: Before them there is room for the parent's notes of whom it kills the child for.
NOTES_AT = WORDS_AT - 1024
ANSWERED = 0  # the child's: when the database last answered it (monotonic seconds)
FROZEN = 1  # the parent's: how many seconds the child was kept from working
LOOKED = 2  # the parent's: when it last looked (monotonic seconds); 0 before it ever did
TURN = 3  # the child's: at which of its slots its loop is, from 1 on; 0: at none
BEAT = 7  # the child's: when its loop last went round (its own clock); 0: it has none
#: Behind the words there is room for each slot of a process that runs many jobs at once.
SLOT_SIZE = 1 << 14
#: The claim of which nothing more may start, and whether there is one.
HALT = slice(WORDS_AT + 32, WORDS_AT + 48)
IS_HALTED = WORDS_AT + 48
#: Whether the file is no longer at its place: the child must make another.
IS_GONE = WORDS_AT + 49

HEADER = struct.Struct("<II")
#: A record's payload: these are too frequent for JSON, which starts with a brace.
_CLAIM = struct.Struct("<c16sd")  # claim, when it was made; behind it the jobs
_START = struct.Struct("<c16sd")  # job, until when it may run; W where it runs on the loop
_DONE = struct.Struct("<c16sdd??")  # job, started, seconds, whether an attempt is written, a result


def shared_words(shared: mmap) -> Any:
    """Return the words, a memoryview of doubles: each is read and written as a whole."""
    return memoryview(shared)[WORDS_AT:].cast("d")


def pack_claim(claim_id: UUID, ids: list[UUID], at: float) -> bytes:
    """Return the payload of a claim of `ids` that is made `at` then."""
    return _CLAIM.pack(b"C", claim_id.bytes, at) + b"".join([job_id.bytes for job_id in ids])


def pack_start(job_id: UUID, until: float, *, on_loop: bool = False) -> bytes:
    """Return the payload of a start."""
    return _START.pack(b"W" if on_loop else b"S", job_id.bytes, until)


def pack_end(job_id: UUID, settlement: Settlement) -> bytes:
    """Return the payload of an end."""
    packed = _pack_done(job_id, settlement)
    if packed is not None:
        return packed
    return json.dumps({"end": str(job_id), "settlement": asdict(settlement)}).encode()


def pack_kill(job_id: UUID, why: str) -> bytes:
    """Return the payload of a note that the child is killed because of a job."""
    return json.dumps({"kill": str(job_id), "why": why}).encode()


def append_record(data: mmap, payload: bytes, at: int, limit: int) -> None:
    """Write a record behind those from `at` on, where it fits."""
    for length in (len(record) for record in read_payloads(data, at, limit)):
        at += HEADER.size + length
    end = at + HEADER.size + len(payload)
    if end + HEADER.size <= limit:
        data[at:end] = HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def read_records(data: mmap, at: int, limit: int) -> Iterator[dict[str, Any]]:
    """Yield the records from `at` on."""
    return map(_unpack, read_payloads(data, at, limit))


def read_payloads(data: mmap, at: int, limit: int) -> Iterator[bytes]:
    """Yield the records from `at` on, as they are written."""
    while at + HEADER.size <= limit:
        length, checksum = HEADER.unpack_from(data, at)
        payload = data[at + HEADER.size : at + HEADER.size + length]
        if not length or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield payload
        at += HEADER.size + length


def claimed_ids(claim: dict[str, Any]) -> tuple[UUID, ...]:
    """Return the jobs that a claim's record names."""
    ids: bytes = claim["ids"]
    return tuple([UUID(bytes=ids[at : at + 16]) for at in range(0, len(ids), 16)])


def ended_entries(records: list[dict[str, Any]]) -> Iterator[tuple[UUID, Settlement]]:
    """Yield what ended, and what was decided of it."""
    for record in records:
        if "done" in record:
            yield _load_done(record["done"])
        elif "end" in record:
            settlement = Settlement(**record["settlement"])
            settlement.verb = Verb(settlement.verb)
            yield UUID(record["end"]), settlement


def _unpack(payload: bytes) -> dict[str, Any]:
    if payload[:1] in (b"S", b"W"):
        letter, job_id, until = _START.unpack(payload)
        return {"start": UUID(bytes=job_id), "until": until, "on_loop": letter == b"W"}
    if payload.startswith(b"C"):
        _, claim_id, at = _CLAIM.unpack_from(payload)
        return {"claim": UUID(bytes=claim_id), "at": at, "ids": payload[_CLAIM.size :]}
    if payload.startswith(b"D"):
        return {"done": payload}
    record: dict[str, Any] = json.loads(payload)
    return record


def _pack_done(job_id: UUID, settlement: Settlement) -> bytes | None:
    """Return the record of a plain success, None where there is more to say."""
    started, seconds, result = settlement.started, settlement.seconds, settlement.result
    plain = settlement.verb is Verb.COMPLETE and not settlement.message and not settlement.error
    if not plain or started is None or seconds is None:
        return None
    facts = (job_id.bytes, started, seconds, settlement.writes_attempt, result is not None)
    return _DONE.pack(b"D", *facts) + (result or "").encode()


def _load_done(payload: bytes) -> tuple[UUID, Settlement]:
    _, job_id, started, seconds, writes_attempt, has_result = _DONE.unpack_from(payload)
    return UUID(bytes=job_id), Settlement(
        Verb.COMPLETE,
        result=payload[_DONE.size :].decode() if has_result else None,
        writes_attempt=writes_attempt,
        started=started,
        seconds=seconds,
    )
