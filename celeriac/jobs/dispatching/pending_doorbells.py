"""What a dispatcher has rung and nobody has answered yet. Pure, and in memory only.

A doorbell is answered when its probe, the last of its ids, is no longer queued in
the version that was rung. The table says nothing of ringing: after a restart a
dispatcher rings again, and claims make that harmless.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple, Protocol
from uuid import UUID

from celeriac.jobs.errors import JobError
from celeriac.jobs.open_line import LineState

#: Seconds without an answer after which a queue stands still.
SILENCE = 5.0


@dataclass(frozen=True, slots=True)
class Doorbell:
    """A doorbell: jobs of one kind, for one queue. `kind` is the name that workers know."""

    kind: str
    queue: str
    ids: tuple[UUID, ...]


class RingFailed(JobError):
    """The doorbells could not be sent; with `uncertain`, some may have been."""

    def __init__(self, message: str = "", *, uncertain: bool) -> None:
        super().__init__(message)
        self.uncertain = uncertain


class ProbeResult(NamedTuple):
    """A probed row that is still queued: its version, and whether it is due."""

    version: str
    due: bool


class DoorbellPublisher(Protocol):
    """Sends doorbells; raises RingFailed where it could not."""

    def check(self) -> None:
        """Raise where it could never do its work, however well the broker is."""
        ...

    def ring(self, doorbells: Sequence[Doorbell]) -> None:
        """Send doorbells, all in one pipeline."""
        ...

    def keep_line(self, state: LineState) -> None:
        """Follow what the dispatcher knows of its queues on the open line: see open_line.py."""
        ...

    def ask(self, canaries: Sequence[str]) -> None:
        """Send a doorbell for nobody to each of these queues."""
        ...


@dataclass(slots=True)
class PendingDoorbell:
    """A bell with what is known of it: versions of its rows, seconds of work, times."""

    doorbell: Doorbell
    versions: tuple[str, ...]
    locks: tuple[str, ...] = ()
    seconds: float = 0.0
    rings: int = 1  # how often its jobs were rung, this time included
    again_at: float = 0.0  # monotonic
    place: int = 0  # in the order of ringing
    sure: bool = True  # whether the broker took it

    @property
    def probe(self) -> UUID:
        """The id whose row tells whether the bell was answered."""
        return self.doorbell.ids[-1]


@dataclass(slots=True)
class _QueueDoorbells:
    """The unanswered bells of one queue, oldest first."""

    doorbells: dict[UUID, PendingDoorbell] = field(default_factory=dict)  # by probe
    seconds: float = 0.0
    #: The last place that was answered, and when an answer came (monotonic).
    front: int = 0
    heard_at: float = float("-inf")

    def hear(self, pending: PendingDoorbell, now: float) -> None:
        """Note an answer."""
        self.front = max(self.front, pending.place)
        self.heard_at = now

    def is_lost(self, pending: PendingDoorbell, now: float) -> bool:
        """Whether a bell whose time is up was lost: the broker hands out one after the other.

        So one behind the last that was answered is still to come, while answers come, if
        the broker took it.
        """
        return not pending.sure or pending.place <= self.front or now - self.heard_at >= SILENCE


class PendingDoorbells:
    """The bells that wait for an answer."""

    def __init__(self) -> None:
        self._lines: dict[str, _QueueDoorbells] = {}
        #: By the id's number: a UUID is hashed by Python code, a number is not.
        self._rows: dict[int, tuple[PendingDoorbell, str]] = {}
        self._locks: dict[str, PendingDoorbell] = {}
        self._place = 0

    def __len__(self) -> int:
        """How many ids wait."""
        return len(self._rows)

    def add(self, pending: PendingDoorbell) -> None:
        """Remember a bell that was sent; an older one of the same ids gives way."""
        if not pending.place:
            self._place = pending.place = self._place + 1
        rows = self._rows
        for job_id, version in zip(pending.doorbell.ids, pending.versions, strict=True):
            rows[job_id.int] = (pending, version)
        for lock in pending.locks:
            self._locks[lock] = pending
        line = self._lines.setdefault(pending.doorbell.queue, _QueueDoorbells())
        older = line.doorbells.pop(pending.probe, None)
        line.seconds += pending.seconds - (older.seconds if older else 0.0)
        line.doorbells[pending.probe] = pending
        if older is not None:
            self._wait_for_rest(older)

    def _wait_for_rest(self, pending: PendingDoorbell) -> None:
        """Wait on for those of a bell whose probe was rung anew, by the last of them."""
        pairs = zip(pending.doorbell.ids, pending.versions, strict=True)
        rest = [(job_id, version) for job_id, version in pairs if self._rung_by(pending, job_id)]
        if rest:
            ids, versions = zip(*rest, strict=True)
            seconds = pending.seconds * len(ids) / len(pending.doorbell.ids)
            doorbell = replace(pending.doorbell, ids=ids)
            self.add(
                replace(pending, doorbell=doorbell, versions=versions, locks=(), seconds=seconds)
            )

    def _rung_by(self, pending: PendingDoorbell, job_id: UUID) -> bool:
        row = self._rows.get(job_id.int)
        return row is not None and row[0] is pending

    def knows(self, job_id: UUID, version: str) -> bool:
        """Return whether that version of the job was rung and waits for an answer."""
        row = self._rows.get(job_id.int)
        return row is not None and row[1] == version

    def holds(self, lock: str) -> bool:
        """Return whether a bell for a job of that lock waits."""
        return lock in self._locks

    def overlook(self, job_id: UUID) -> None:
        """Forget that the job was rung, so that it may be rung again at once."""
        self._rows.pop(job_id.int, None)

    def free(self, locks: Iterable[str]) -> None:
        """Forget who was rung for these locks."""
        for lock in locks:
            self._locks.pop(lock, None)

    def count(self, queues: Iterable[str]) -> int:
        """Return how many bells of these queues wait."""
        return sum(len(self._lines[name].doorbells) for name in queues if name in self._lines)

    def seconds(self, queue: str) -> float:
        """Return the seconds of work that wait in the queue's bells."""
        line = self._lines.get(queue)
        return line.seconds if line else 0.0

    def probes(self, *, each: int) -> dict[UUID, PendingDoorbell]:
        """Return up to `each` of the oldest bells of every queue, by probe."""
        return {
            probe: pending
            for line in self._lines.values()
            for probe, pending in islice(line.doorbells.items(), each)
        }

    def settle(
        self, asked: Mapping[UUID, PendingDoorbell], queued: Mapping[UUID, ProbeResult], now: float
    ) -> int:
        """Forget the bells that were answered, going by the probes that are still queued.

        A probe whose row changed was claimed and came back, so its bell was answered too.
        Returns how many were.
        """
        answered = 0
        for probe, pending in asked.items():
            answer = queued.get(probe)
            if answer is None or not answer.due or answer.version != pending.versions[-1]:
                answered += 1
                self._lines[pending.doorbell.queue].hear(pending, now)
                self._drop(pending)
        return answered

    def overdue(self, now: float) -> Iterator[PendingDoorbell]:
        """Forget and yield the bells that have waited too long and will not be reached."""
        for line in list(self._lines.values()):
            late = [pending for pending in line.doorbells.values() if pending.again_at <= now]
            for pending in [each for each in late if line.is_lost(each, now)]:
                self._drop(pending)
                yield pending

    def doubt(self, until: float) -> None:
        """Wait no longer than `until` (monotonic) for any of them: the broker may have lost all."""
        for line in self._lines.values():
            for pending in line.doorbells.values():
                pending.again_at, pending.sure = min(pending.again_at, until), False

    def forget_kinds(self, kinds: Iterable[str]) -> None:
        """Forget all bells of these kinds."""
        names = set(kinds)
        for line in list(self._lines.values()):
            for pending in [
                each for each in line.doorbells.values() if each.doorbell.kind in names
            ]:
                self._drop(pending)

    def forget(self, queue: str) -> None:
        """Forget all bells of the queue."""
        line = self._lines.get(queue)
        for pending in list(line.doorbells.values()) if line else ():
            self._drop(pending)

    def _drop(self, pending: PendingDoorbell) -> None:
        line = self._lines[pending.doorbell.queue]
        if line.doorbells.pop(pending.probe, None) is not None:
            line.seconds = line.seconds - pending.seconds if line.doorbells else 0.0
        rows = self._rows
        for job_id in pending.doorbell.ids:
            number = job_id.int
            row = rows.get(number)
            if row is not None and row[0] is pending:
                del rows[number]
        for lock in pending.locks:
            if self._locks.get(lock) is pending:
                del self._locks[lock]
