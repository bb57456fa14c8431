"""How much to ring, and when again: the dispatcher's arithmetic. Pure. Times in seconds."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from celeriac.jobs.dispatching.token_bucket import TokenBucket

#: Work that one doorbell should carry while there is a backlog.
DOORBELL_SECONDS = 0.075
DOORBELL_MOST = 300
#: No job costs less, claim and settle included.
LEAST = 0.0001
#: What a doorbell for one job costs its slot besides the job.
ALONE = 0.002
#: A doorbell may vanish: rung again no sooner and no later than this.
AGAIN_SOONEST, AGAIN_LATEST = 5.0, 60.0
#: The same where it is not known whether the broker took the doorbell.
AGAIN_UNCERTAIN = 2.0
#: The same where the broker went away after it had taken it.
AGAIN_DOUBTED = 1.0
#: Rows read behind a circuit besides those that may go: some were rung already.
PACED_SPARE = 32


def doorbell_size(estimate: float | None, backlog: int, slots: int, width: int = 1) -> int:
    """Return how many ids one doorbell of a kind should carry.

    `estimate` is the kind's mean run time, None where nobody knows it yet. A backlog
    is spread over the slots first: an idle system gets one id a doorbell. Where a process
    has `width` slots it answers a doorbell with all of them.
    """
    if estimate is None:
        return 1
    by_time = int(DOORBELL_SECONDS * width / max(estimate, LEAST))
    by_share = math.ceil(backlog * width / max(slots, 1))
    return max(1, min(by_time, by_share, DOORBELL_MOST))


def ring_again_after(seconds_ahead: float, slots: int, rings: int) -> float:
    """Return how long to wait for an answer before ringing again.

    Three times what the queue should need for the work ahead, and twice as long each
    time the job was rung before, so that a queue that stands still isn't flooded.
    """
    expected = 3.0 * seconds_ahead / max(slots, 1)
    patience = max(AGAIN_SOONEST, expected) * 2.0 ** min(rings - 1, 10)
    return min(AGAIN_LATEST, patience)


@dataclass(slots=True)
class Budget:
    """What may still be rung into one queue.

    `window` seconds of work for each of `slots` may wait in the broker. A kind that
    takes a window or longer goes by free slots instead: `free` is asked, once, when the
    first such kind comes up. Of a kind that nobody has timed, two jobs fill a window.
    """

    window: float
    slots: int
    ahead: float  # seconds of work that wait already
    free: Callable[[], int]
    #: Of the slots, those of one process.
    width: int = 1
    bucket: TokenBucket | None = None
    _free: int | None = None

    @property
    def left(self) -> float:
        """Seconds of work that still fit."""
        return self.window * self.slots - self.ahead

    @property
    def is_worth_a_scan(self) -> bool:
        """Whether enough budget is left to read the queue for it."""
        return self.left >= 0.1 * self.window * self.slots or self.free_slots() > 0

    def free_slots(self) -> int:
        """Return the slots for which nothing is rung yet."""
        if self._free is None:
            self._free = self.free()
        return self._free

    def ids(self, typical: float | None, *, most: int) -> int:
        """Return how many jobs of a typical run time are worth reading."""
        if self.bucket is not None:
            most = min(most, int(self.bucket.tokens) + PACED_SPARE)
        if typical is None:
            return min(most, max(16 * self.slots, 128))
        fitting = int(max(self.left, 0.0) / max(typical, LEAST)) + self.slots
        return max(8, min(most, fitting))

    def cost(self, estimate: float | None) -> float:
        """Return the seconds that a job counts for: half a window where nobody knows."""
        return self.window / 2 if estimate is None else max(estimate, LEAST)

    def take(self, estimate: float | None) -> bool:
        """Take the budget of one job; False where it does not fit."""
        bucket = self.bucket
        if bucket is not None and not bucket.has_token:
            return False
        cost = self.cost(estimate)
        if estimate is not None and estimate >= self.window:
            if self.free_slots() <= 0:
                return False
            self._free = self.free_slots() - 1
        elif self.ahead + cost > self.window * self.slots:
            return False
        self.ahead += cost
        if bucket is not None:
            bucket.take()
        return True
