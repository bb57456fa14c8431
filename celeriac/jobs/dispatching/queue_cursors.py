"""A dispatcher's position in each queue that it holds, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from celeriac.jobs.dispatching.admission import START, Position
from celeriac.jobs.dispatching.token_bucket import TokenBucket

#: A nudge's run_at is a float: what it names is certainly behind this much less.
_ROUNDING = timedelta(milliseconds=1)
#: A queue that takes longer than this to read rests for a multiple of it.
SLOW, REST, LONGEST_REST = 0.1, 4.0, 1.0

#: Cursors and strays.
Checkpoint = tuple[dict[int, Position], dict[UUID, int]]


@dataclass(slots=True)
class QueueCursor:
    """One queue: a cursor for each priority, and jobs to look at by id."""

    name: str
    window: float
    #: Priorities that may have queued jobs.
    levels: set[int] = field(default_factory=set)
    positions: dict[int, Position] = field(default_factory=dict)
    #: Where the sweep behind the cursors stands.
    swept: dict[int, Position] = field(default_factory=dict)
    #: Jobs to look at by id, and how often each was rung before.
    strays: dict[UUID, int] = field(default_factory=dict)
    #: Kinds, as rows name them, that may be rung now.
    kinds: list[str] = field(default_factory=list)
    #: Mean cost in seconds of what was rung last; None where it isn't known.
    typical: float | None = None
    paused: bool = False
    #: Whether the last selection left jobs unread, or left none for want of budget.
    more: bool = False
    full: bool = False
    #: Not to be read before (monotonic): a queue that is slow to read waits its turn.
    rests_until: float = 0.0
    #: How fast it may be rung, where a circuit says so.
    bucket: TokenBucket | None = None

    def may_be_read(self, now: float) -> bool:
        """Return whether a selection may find something to ring."""
        if not self.levels and not self.strays:  # nothing is known to wait: no selection is needed
            self.more = self.full = False
            return False
        unthrottled = self.bucket is None or self.bucket.has_token
        return unthrottled and not self.paused and self.rests_until <= now

    def rest_after(self, started: float, now: float) -> None:
        """Rest for a while when the look that began at `started` took long."""
        took = now - started
        if took > SLOW:
            self.rests_until = now + min(REST * took, LONGEST_REST)

    def position(self, priority: int) -> Position:
        """Return where the scan of that priority stands."""
        return self.positions.get(priority, START)

    def hear(self, priority: int, run_at: float) -> None:
        """Go back to what a nudge names."""
        self.levels.add(priority)
        moment = datetime.fromtimestamp(run_at, UTC) - _ROUNDING
        if moment < self.position(priority)[0]:
            self.positions[priority] = (moment, UUID(int=0))

    def reread(self, seconds: float) -> None:
        """Read the last `seconds` behind each cursor again: for commits that came late."""
        for priority, (run_at, _) in self.positions.items():
            if run_at > START[0]:
                self.positions[priority] = (run_at - timedelta(seconds=seconds), UUID(int=0))

    def restart(self) -> None:
        """Read everything from the start."""
        self.positions.clear()
        self.swept.clear()
        self.more = True

    def look_at(self, rings: Mapping[UUID, int]) -> None:
        """Note jobs to look at by id, which were rung so often before."""
        for job_id, count in rings.items():
            self.strays[job_id] = max(count, self.strays.get(job_id, 0))

    def may_ring(self, kinds: list[str]) -> None:
        """Take the kinds that may be rung; a new one may have rows behind the cursors."""
        if kinds == self.kinds:
            return
        if set(kinds) - set(self.kinds):
            self.restart()
        self.kinds = kinds

    @property
    def checkpoint(self) -> Checkpoint:
        """The cursors and strays, to come back to when ringing fails."""
        return dict(self.positions), dict(self.strays)

    def restore(self, place: Checkpoint) -> None:
        """Return to an earlier checkpoint."""
        self.positions, self.strays = place


def position_before(cursor: Position) -> Position:
    """Return the cursor from which a scan finds the job of `cursor` first."""
    run_at, job_id = cursor
    return run_at, UUID(int=max(job_id.int - 1, 0))
