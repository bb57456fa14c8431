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

#: Seconds without an answer after which a queue stands still.
SILENCE = 5.0


@dataclass(frozen=True, slots=True)
class Bell:
    """A doorbell: jobs of one kind, for one queue. `kind` is the name that workers know."""

    kind: str
    queue: str
    ids: tuple[UUID, ...]


class RingFailed(JobError):
    """The doorbells could not be sent; with `uncertain`, some may have been."""

    def __init__(self, message: str = "", *, uncertain: bool) -> None:
        super().__init__(message)
        self.uncertain = uncertain


class Answer(NamedTuple):
    """A probed row that is still queued: its version, and whether it is due."""

    version: str
    due: bool


class Publisher(Protocol):
    """Sends doorbells; raises RingFailed where it could not."""

    def check(self) -> None:
        """Raise where it could never do its work, however well the broker is."""
        ...

    def ring(self, bells: Sequence[Bell]) -> None:
        """Send `bells`, all in one pipeline."""
        ...

    def ask(self, canaries: Sequence[str]) -> None:
        """Send a doorbell for nobody to each of these queues."""
        ...


@dataclass(slots=True)
class Rung:
    """A bell with what is known of it: versions of its rows, seconds of work, times."""

    bell: Bell
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
        return self.bell.ids[-1]


@dataclass(slots=True)
class _Line:
    """The unanswered bells of one queue, oldest first."""

    bells: dict[UUID, Rung] = field(default_factory=dict)  # by probe
    seconds: float = 0.0
    #: The last place that was answered, and when an answer came (monotonic).
    front: int = 0
    heard_at: float = float("-inf")

    def hear(self, rung: Rung, now: float) -> None:
        """Note an answer."""
        self.front = max(self.front, rung.place)
        self.heard_at = now

    def is_lost(self, rung: Rung, now: float) -> bool:
        """Whether a bell whose time is up was lost: the broker hands out one after the other.

        So one behind the last that was answered is still to come, while answers come, if
        the broker took it.
        """
        return not rung.sure or rung.place <= self.front or now - self.heard_at >= SILENCE


class Bells:
    """The bells that wait for an answer."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._rows: dict[UUID, tuple[Rung, str]] = {}
        self._locks: dict[str, Rung] = {}
        self._place = 0

    def __len__(self) -> int:
        """How many ids wait."""
        return len(self._rows)

    def add(self, rung: Rung) -> None:
        """Remember a bell that was sent; an older one of the same ids gives way."""
        if not rung.place:
            self._place = rung.place = self._place + 1
        for job_id, version in zip(rung.bell.ids, rung.versions, strict=True):
            self._rows[job_id] = (rung, version)
        for lock in rung.locks:
            self._locks[lock] = rung
        line = self._lines.setdefault(rung.bell.queue, _Line())
        older = line.bells.pop(rung.probe, None)
        line.seconds += rung.seconds - (older.seconds if older else 0.0)
        line.bells[rung.probe] = rung
        if older is not None:
            self._wait_for_rest(older)

    def _wait_for_rest(self, rung: Rung) -> None:
        """Wait on for those of a bell whose probe was rung anew, by the last of them."""
        pairs = zip(rung.bell.ids, rung.versions, strict=True)
        rest = [(job_id, version) for job_id, version in pairs if self._rung_by(rung, job_id)]
        if rest:
            ids, versions = zip(*rest, strict=True)
            seconds = rung.seconds * len(ids) / len(rung.bell.ids)
            bell = replace(rung.bell, ids=ids)
            self.add(replace(rung, bell=bell, versions=versions, locks=(), seconds=seconds))

    def _rung_by(self, rung: Rung, job_id: UUID) -> bool:
        row = self._rows.get(job_id)
        return row is not None and row[0] is rung

    def knows(self, job_id: UUID, version: str) -> bool:
        """Return whether that version of the job was rung and waits for an answer."""
        row = self._rows.get(job_id)
        return row is not None and row[1] == version

    def holds(self, lock: str) -> bool:
        """Return whether a bell for a job of that lock waits."""
        return lock in self._locks

    def overlook(self, job_id: UUID) -> None:
        """Forget that the job was rung, so that it may be rung again at once."""
        self._rows.pop(job_id, None)

    def free(self, locks: Iterable[str]) -> None:
        """Forget who was rung for these locks."""
        for lock in locks:
            self._locks.pop(lock, None)

    def count(self, queues: Iterable[str]) -> int:
        """Return how many bells of these queues wait."""
        return sum(len(self._lines[name].bells) for name in queues if name in self._lines)

    def seconds(self, queue: str) -> float:
        """Return the seconds of work that wait in the queue's bells."""
        line = self._lines.get(queue)
        return line.seconds if line else 0.0

    def probes(self, *, each: int) -> dict[UUID, Rung]:
        """Return up to `each` of the oldest bells of every queue, by probe."""
        return {
            probe: rung
            for line in self._lines.values()
            for probe, rung in islice(line.bells.items(), each)
        }

    def settle(self, asked: Mapping[UUID, Rung], queued: Mapping[UUID, Answer], now: float) -> int:
        """Forget the bells that were answered, going by the probes that are still queued.

        A probe whose row changed was claimed and came back, so its bell was answered too.
        Returns how many were.
        """
        answered = 0
        for probe, rung in asked.items():
            answer = queued.get(probe)
            if answer is None or not answer.due or answer.version != rung.versions[-1]:
                answered += 1
                self._lines[rung.bell.queue].hear(rung, now)
                self._drop(rung)
        return answered

    def overdue(self, now: float) -> Iterator[Rung]:
        """Forget and yield the bells that have waited too long and will not be reached."""
        for line in list(self._lines.values()):
            late = [rung for rung in line.bells.values() if rung.again_at <= now]
            for rung in [each for each in late if line.is_lost(each, now)]:
                self._drop(rung)
                yield rung

    def doubt(self, until: float) -> None:
        """Wait no longer than `until` (monotonic) for any of them: the broker may have lost all."""
        for line in self._lines.values():
            for rung in line.bells.values():
                rung.again_at, rung.sure = min(rung.again_at, until), False

    def forget_kinds(self, kinds: Iterable[str]) -> None:
        """Forget all bells of these kinds."""
        names = set(kinds)
        for line in list(self._lines.values()):
            for rung in [each for each in line.bells.values() if each.bell.kind in names]:
                self._drop(rung)

    def forget(self, queue: str) -> None:
        """Forget all bells of the queue."""
        line = self._lines.get(queue)
        for rung in list(line.bells.values()) if line else ():
            self._drop(rung)

    def _drop(self, rung: Rung) -> None:
        line = self._lines[rung.bell.queue]
        if line.bells.pop(rung.probe, None) is not None:
            line.seconds = line.seconds - rung.seconds if line.bells else 0.0
        for job_id in rung.bell.ids:
            if self._rung_by(rung, job_id):
                del self._rows[job_id]
        for lock in rung.locks:
            if self._locks.get(lock) is rung:
                del self._locks[lock]
