"""A configuration: which jobs, callers and processes there are, and how much may go wrong."""

from dataclasses import dataclass, replace
from typing import ClassVar

from celeriac.jobs.backoff import Backoff
from celeriac.jobs.losses import ANY_LOSS
from celeriac.jobs.states import TERMINAL, State
from tests.model import callers, dispatchers, faults, line, operators, workers
from tests.model.properties import broken
from tests.model.rules import DESIGN, Rules
from tests.model.world import Budget, Caller, Dispatcher, Expiry, Place, Row, Stage, Worker, World

NOTHING_GOES_WRONG = Budget()


@dataclass(frozen=True)
class Spec:
    """What a job is, apart from its row. `kills` names what its handler takes down."""

    endings: tuple = ("ok",)
    kills: str = ""  # or "child", "worker"; with slots "limit" (it never ends) or "late"
    waits_for: int = -1  # it ends no sooner than that job
    transactional: bool = False
    key: str = ""  # unique_key
    lock: str = ""  # lock_key
    expires: bool = False
    max_attempts: int = 2
    max_losses: int = 2
    runs_again: frozenset = ANY_LOSS  # what may take its run along, so that it happens again
    retry: ClassVar = Backoff(base=0.0)
    loss_delay: ClassVar = 0.0


@dataclass(frozen=True)
class Model:
    """A world to start from, and the rules it moves by."""

    name: str
    specs: tuple
    queued: tuple = ()  # jobs that are in the ledger from the start
    enqueues: tuple = ()  # the job that each caller inserts, unless its key hits another
    workers: int = 2
    dispatchers: int = 1
    budget: Budget = NOTHING_GOES_WRONG
    bells: int = 2  # the broker holds no more at a time
    line: bool = False  # there is an open line, and all children wait there
    rings_again: bool = True  # nothing is lost where not: nothing needs it
    rules: Rules = DESIGN

    @property
    def initial(self):
        """The world in which only the jobs of `queued` exist."""
        return World(
            jobs=tuple(self.row(job) if job in self.queued else Row() for job in self._ids),
            callers=(Caller(),) * len(self.enqueues),
            dispatchers=(Dispatcher(),) * self.dispatchers,
            workers=(Worker(place=Place.FREE if self.line else Place.POOL),) * self.workers,
            budget=self.budget,
            effects=(0,) * len(self.specs),
            deaths=(0,) * len(self.specs),
            starts=(0,) * len(self.specs),
            debts=(-1,) * len(self.enqueues),
        )

    @property
    def bound(self):
        """The bound in words: who there is, and how often what may go wrong."""
        there = {
            "jobs": len(self.specs),
            "callers": len(self.enqueues),
            "workers": self.workers,
            "dispatchers": self.dispatchers,
            "bells": self.bells,
        }
        counted = {**there, **self.budget._asdict()}
        return ", ".join(f"{count} {what}" for what, count in counted.items() if count)

    @property
    def _ids(self):
        return range(len(self.specs))

    def row(self, job):
        """Return the row that an enqueue of `job` writes."""
        expiry = Expiry.AHEAD if self.specs[job].expires else Expiry.NONE
        return Row(state=State.QUEUED, expiry=expiry)

    def moves(self, world):
        """Yield (label, world after, fair) for every step that some process can make."""
        for part in (callers, dispatchers, workers, line, operators, faults):
            yield from part.moves(self, world)

    def broken(self, world):
        """Return the invariant that `world` breaks, or nothing."""
        return world.broken or broken(self, world)

    def done(self, world):
        """Return whether every committed job has ended and no transaction is open."""
        ended = all(row.state is None or row.state in TERMINAL for row in world.jobs)
        still = (Stage.INSERTED, Stage.HIT, Stage.DETACHED)
        return ended and not any(caller.stage in still for caller in world.callers)

    def mutate(self, **rules):
        """Return the same configuration with other rules."""
        return replace(self, rules=self.rules._replace(**rules))
