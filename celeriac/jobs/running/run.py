"""A run: one claim of one job, on its way through the steps of execute.py."""

import json
from dataclasses import dataclass, field
from uuid import UUID

from celeriac.core.arguments import LONGEST
from celeriac.jobs import deciding, outcomes
from celeriac.jobs.outcomes import Outcome, Settlement
from celeriac.jobs.registry import Kind
from celeriac.jobs.running.claim import ClaimedJob
from celeriac.jobs.states import State, Verb


@dataclass(frozen=True, slots=True)
class Settled:
    """What the database made of a settlement; state is None where the claim was lost."""

    state: State | None
    #: Whether its ending enqueued a callback.
    called: bool = False
    queue: str = ""


@dataclass(slots=True)
class Run:
    """One claim of one job; each step fills in its part. Times are monotonic seconds."""

    job: ClaimedJob
    kind: Kind
    claim_id: UUID
    claimed_at: float = 0.0  # 0 where another process claimed it
    started_at: float = 0.0
    ended_at: float = 0.0
    #: Whether what goes wrong may be laid to the job: its arguments are being read, or it runs.
    reached: bool = False
    error: BaseException | None = None
    #: How it ended; None before that, and where nobody can say.
    outcome: Outcome | None = None
    settlement: Settlement = field(default_factory=outcomes.unstarted)
    settled: Settled | None = None

    @property
    def is_cut_short(self) -> bool:
        """Whether its handler started and nobody can say how it ended."""
        return self.started_at > 0 and self.outcome is None

    @property
    def is_refused(self) -> bool:
        """Whether it no longer owned its job when it was settled."""
        return self.settled is not None and self.settled.state is None

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Its soft and its hard limit: what the call says of them, else what its kind does."""
        soft, hard = self.kind.timeout, self.kind.hard_timeout
        if self.job.headers is None:
            return soft, hard
        told = json.loads(self.job.headers).get("timelimit")
        if not isinstance(told, list) or len(told) != 2:
            return soft, hard
        return _seconds(told[1]) or soft, _seconds(told[0]) or hard

    def decide(self, outcome: Outcome | None) -> None:
        """Note how it ended, and decide once what that makes of its job: chance may decide.

        None where nobody can say, whatever was noted before.
        """
        self.outcome = None
        if outcome is None:
            return
        settlement = self.settlement = self.judge(outcome)
        self.outcome = outcome  # not before: an ending that can't be judged is none
        if self.started_at:
            settlement.started = self.started_at - self.claimed_at
            settlement.seconds = self.ended_at - self.started_at

    def judge(self, outcome: Outcome) -> Settlement:
        """Return what the outcome would make of its job."""
        job = self.job
        if outcome is outcomes.SUCCEEDED:  # almost always
            return Settlement(Verb.COMPLETE, writes_attempt=job.attempt > 1)
        return deciding.decide_settlement(
            outcome, self.kind, job.attempt, job.failures, job.losses, job.max_attempts
        )


def _seconds(told: object) -> float | None:
    """Return a limit that a call has named, None where that is no number of seconds."""
    return float(told) if isinstance(told, int | float) and 0 < told <= LONGEST else None
