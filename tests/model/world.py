"""The small world: what PostgreSQL, the broker and each process hold, as nested tuples.

Time is an enabling condition, not a number: a backoff may end, a lease may lapse and
a deadline may pass at any moment at which the design leaves it open. Workers and
dispatchers have no names (two worlds that differ by a swap are one); a claim_id is
the smallest number that nothing refers to any more, which is as good as random.
Fields marked *ghost* are the observer's: no move of the protocol reads them.
"""

from enum import IntEnum
from typing import NamedTuple

from celeriac.jobs.states import State


class Expiry(IntEnum):
    """Where a row's expires_at stands against the clock."""

    NONE = 0
    AHEAD = 1
    PAST = 2


class Phase(IntEnum):
    """How far a doorbell's job has come in its child, as the shared slot tells."""

    WAITING = 0
    RUNNING = 1
    COMMITTED = 2  # transactional: committed with its handler, the slot not told yet
    DONE = 3  # its outcome is in the slot


class Place(IntEnum):
    """Where a child stands, and what the broker knows of it: see line.py."""

    POOL = 0  # it takes what Celery brings
    TURN = 1  # it has answered a doorbell; the broker knows nothing of it
    TAKEN = 2  # it is on the line, and its place there is not free
    FREE = 3
    LEAVING = 4  # a mutant's: it has looked into its mailbox, and will withdraw its place
    LOOKED = 5  # a mutant's: it has found no overflow, and will mark its place free


class Stage(IntEnum):
    """How far a caller's transaction has come."""

    IDLE = 0
    INSERTED = 1
    HIT = 2
    COMMITTED = 3
    ROLLED_BACK = 4
    DETACHED = 5  # a mutant's: its change is committed, its job is not written yet
    VANISHED = 6  # a mutant's: it died there


class Row(NamedTuple):
    """A job's row."""

    state: State | None = None
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    cuts: int = 0  # runs in a row that lost a database which was there
    claim: int = 0
    due: bool = True
    cancel: bool = False
    expiry: Expiry = Expiry.NONE
    met: int = 0  # ghost: such runs in a row
    begun: bool = False  # ghost: a handler of a claim that is not forgotten has started


class Caller(NamedTuple):
    """A transaction that enqueues; `job` is the row it wrote or hit."""

    stage: Stage = Stage.IDLE
    job: int = -1


class Dispatcher(NamedTuple):
    """A dispatcher: the jobs it remembers to have rung, the claim it is about to rescue."""

    alive: bool = True
    rung: tuple = ()
    rescues: int = 0


class Entry(NamedTuple):
    """One job of a doorbell in a child."""

    job: int
    number: int  # the attempt that the claim gave it
    phase: Phase = Phase.WAITING
    outcome: str = ""
    saw: tuple = ()  # ghost: the callers whose commits its handler could see


class Worker(NamedTuple):
    """A worker: its parent, its one child, and the slot that both see."""

    alive: bool = True
    stalled: bool = False
    child: bool = True
    fresh: bool = True  # the claim was verified within the window
    slack: bool = False  # ghost: the claim was lost within the window
    claim: int = 0
    entries: tuple = ()
    asks: tuple = ()  # the ids of a claim whose answer was lost: it may have been made
    place: Place = Place.POOL
    mail: tuple = ()  # doorbells in its mailbox

    @property
    def awake(self):
        """Whether its processes make steps."""
        return self.alive and not self.stalled

    @property
    def claims(self):
        """The claims that its slot vouches for."""
        return {self.claim}

    @property
    def works(self):
        """Whether its child makes steps."""
        return self.awake and self.child


class Line(NamedTuple):
    """The open line as the broker holds it, besides the places and mailboxes of children."""

    overflow: tuple = ()
    gone: tuple = ()  # places that nobody waits at any more
    trusted: frozenset = frozenset()  # a mutant's: jobs that need no other doorbell


class Budget(NamedTuple):
    """How many of each fault and wish the exploration still allows."""

    answer: int = 0
    child: int = 0
    worker: int = 0
    dispatcher: int = 0
    stall: int = 0
    failover: int = 0
    flush: int = 0
    twice: int = 0
    early: int = 0
    release: int = 0
    snooze: int = 0
    cancel: int = 0
    revive: int = 0
    pause: int = 0
    deadline: int = 0
    silent: int = 0  # a child leaves the line, and the broker is away when it says so
    stop: int = 0
    unfit: int = 0  # what ends in a process can't be settled there


class World(NamedTuple):
    """Everything at one instant."""

    jobs: tuple
    callers: tuple
    dispatchers: tuple
    workers: tuple
    budget: Budget
    forgettable: tuple = ()  # the rows before each asynchronous commit that is not safe yet
    bells: tuple = ()
    line: Line = Line()
    noticed: frozenset = frozenset()  # a mutant's: the jobs that a nudge named
    paused: bool = False
    operator: int = -1  # a mutant's: between the two statements of a cancel
    effects: tuple = ()  # ghost: commits of each transactional job's effect
    deaths: tuple = ()  # ghost: processes that each job's handler took down
    starts: tuple = ()  # ghost: runs that began, of jobs that not every loss brings back
    downs: frozenset = frozenset()  # ghost: (job, neighbour whose run it took along)
    asked: frozenset = frozenset()  # ghost: cancels that were answered "yes"
    debts: tuple = ()  # ghost: the job that owes each caller a run which sees its change
    broken: str = ""  # ghost: the invariant that the last step broke


def put(items, index, item):
    """Return the tuple `items` with `item` at `index`."""
    return (*items[:index], item, *items[index + 1 :])


def set_job(world, job, row):
    """Return the world with another row for `job`."""
    return world._replace(jobs=put(world.jobs, job, row))


def set_worker(world, index, worker):
    """Return the world with another worker; their order means nothing."""
    return world._replace(workers=tuple(sorted(put(world.workers, index, worker))))


def set_dispatcher(world, index, dispatcher):
    """Return the world with another dispatcher; their order means nothing."""
    return world._replace(dispatchers=tuple(sorted(put(world.dispatchers, index, dispatcher))))


def durable(world):
    """Return the world after a synchronous commit: all that came before it is safe too."""
    return world._replace(forgettable=()) if world.forgettable else world


def spend(world, fault):
    """Return the world with one `fault` less to come."""
    left = getattr(world.budget, fault) - 1
    return world._replace(budget=world.budget._replace(**{fault: left}))


def breaks(world, invariant):
    """Return the world as one whose last step broke `invariant` (the first one stands)."""
    return world if world.broken else world._replace(broken=invariant)


def committed(world):
    """Return the callers whose changes anyone can see."""
    seen = (Stage.COMMITTED, Stage.DETACHED, Stage.VANISHED)
    return tuple(i for i, caller in enumerate(world.callers) if caller.stage in seen)


def mark_slack(before, world):
    """Return the world in which awake children have `slack` for claims lost since `before`."""
    workers = tuple(
        worker._replace(slack=True) if worker.fresh and _lost_one(before, world, worker) else worker
        for worker in world.workers
    )
    return world._replace(workers=tuple(sorted(workers)))


def _lost_one(before, world, worker):
    return any(
        before.jobs[entry.job].claim == worker.claim != world.jobs[entry.job].claim
        for entry in worker.entries
    )
