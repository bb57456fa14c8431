"""A small flow as nested tuples; see flows.py.

Two groups, A and B, and a job that follows both: job 0 is A's, job 1 is what B's run adds to A,
job 2 is B's, job 3 is the follower.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

A, B = 0, 1
ADDED, FOLLOWER = 1, 3
#: The group of each job but the follower.
GROUPS = (A, A, B)

EARLY = "9 nothing is unblocked before what it waits for has ended"
TWICE = "9 a group closes, and what waits is unblocked, once per generation"
RERUN = "9 a retry runs nothing again that had been unblocked"
CLOSED = "9 no group is closed while a member is unfinished"
SWEPT = "9 a sweep corrects nothing where nothing was lost"
CALLED_OFF = "9 nothing of a cancelled flow is unblocked"
FENCED = "9 only a member that owns its claim adds to its flow"
ORACLE = "9 a flow ends as its members did"


class Keep(NamedTuple):
    """What a flow's parties do; every default is the design."""

    one_commit: bool = True  # a group is closed and what waits is unblocked in one transaction
    sets_if_open: bool = True  # the close is a compare-and-set: of an open group alone
    looks_locked: bool = True  # who closes looks again under the group's lock
    locks_follower: bool = True  # before it reads what else that waits for
    unblocks_waiting: bool = True  # and nothing that is not waiting any more
    counts_retries_open: bool = True  # a member that will run again has not ended
    nudges_after_commit: bool = True  # of the end that it tells of
    hears_while_busy: bool = True  # a nudge for a group that is just being looked at
    sweeps: bool = True  # open groups are looked at without a nudge, too
    adding_locks_group: bool = True  # who adds keeps the group from being closed
    adding_is_fenced: bool = True  # who adds owns its claim
    adding_holds_fence: bool = True  # until it commits
    adds_to_open: bool = True  # and only to a group that is not closed
    reopening_locks: bool = True  # a retry keeps the group from being closed meanwhile
    reopens_group: bool = True  # a retry of a dead member opens its group anew
    reopens_cancelled: bool = True  # and what its death had cancelled waits again
    reopens_no_other: bool = True  # but nothing that was unblocked already
    counts_generations: bool = True  # what is reopened may be unblocked anew, and is counted so
    cancel_reaches_waiting: bool = True  # a flow's cancel ends what waits


DESIGN = Keep()


class Step(IntEnum):
    """How far a dispatcher has come with a group."""

    LOOKED = 0  # all its members seemed to have ended
    LOCKED = 1  # it holds the group, and looks again
    SEEN = 2  # it has looked again, and all members had ended
    VAIN = 3  # one had not, and it holds the group still
    BOTH = 4  # it holds the follower, too
    SPLIT = 5  # a mutant's: the group is closed, what waits is not unblocked yet


#: The steps in which a dispatcher holds its group.
HOLDING = (Step.LOCKED, Step.SEEN, Step.VAIN, Step.BOTH)


class Job(NamedTuple):
    """A job's row. The state is its first letter: waiting, queued, running, …; "" is no row."""

    state: str
    claim: int = 0
    durable: bool = True  # whether a failover would remember the claim


class Group(NamedTuple):
    """A group's row."""

    state: str = "open"  # or "good", "bad"
    generation: int = 0


class Run(NamedTuple):
    """A run: one claim of one job, whether or not the ledger still knows of it."""

    job: int
    claim: int
    adding: bool = False  # its transaction that adds is open
    added: bool = False


class Closing(NamedTuple):
    """What a dispatcher does."""

    group: int
    step: Step
    view: str = ""  # "good" or "bad", as it looked
    other: str = ""  # a mutant's: the other group's state, read too early
    by_sweep: bool = False


class Now(NamedTuple):
    """Everything at one instant."""

    jobs: tuple
    groups: tuple = (Group(), Group())
    unblocked: tuple = ()  # ghost: the generations in which the follower was unblocked
    closed: tuple = ()  # ghost: (group, generation) of each close
    runs: tuple = ()
    heard: tuple = (frozenset(), frozenset())  # groups that each dispatcher has yet to look at
    busy: tuple = (None, None)
    to_tell: frozenset = frozenset()  # ends that are committed, and not told yet
    called_off: bool = False
    lossless: bool = True  # ghost: no nudge was lost yet, and nobody who had heard one died
    faults: tuple = ()  # what is left of each, by name
    broken: str = ""


@dataclass(frozen=True)
class Faults:
    """How often each may happen."""

    lost: int = 0  # nudges
    crash: int = 0  # of dispatchers
    worker: int = 0  # whose run was taken for lost, and may go on
    failover: int = 0  # that forgets a claim
    dies: int = 0  # jobs that end dead
    again: int = 0  # jobs that fail and run again
    retry: int = 0  # an operator's
    cancel: int = 0


def put(values, place, value):
    """Return the tuple with another value there."""
    return (*values[:place], value, *values[place + 1 :])


def ended(now, group, rules):
    """Return whether all members of a group have ended: what a look at its rows says."""
    states = [now.jobs[job].state for job in range(FOLLOWER) if GROUPS[job] == group]
    gone = {"", "succeeded", "dead", "cancelled"}
    if not rules.counts_retries_open:
        gone = {*gone, "again"}
    return all(state in gone for state in states)


def verdict(now, group):
    """Return how a group has ended whose members have."""
    states = {now.jobs[job].state for job in range(FOLLOWER) if GROUPS[job] == group}
    return "bad" if states & {"dead", "cancelled"} else "good"


def is_held(now, group, but=None):
    """Return whether somebody's transaction holds a group's row."""
    closers = (each for index, each in enumerate(now.busy) if each and index != but)
    return any(each.group == group and each.step in HOLDING for each in closers)


def is_shared(now):
    """Return whether a transaction that adds holds A's row, beside others that add."""
    return any(run.adding for run in now.runs)


def follower_is_held(now, but=None):
    """Return whether somebody's transaction holds the follower's row."""
    return any(
        each and index != but and each.step is Step.BOTH for index, each in enumerate(now.busy)
    )


def spend(now, what):
    """Return the world with one fault of that sort less, None where there is none left."""
    left = dict(now.faults)
    if not left.get(what):
        return None
    left[what] -= 1
    return now._replace(faults=tuple((name, count) for name, count in left.items() if count))


def set_job(now, job, **change):
    """Return the world with another row of a job."""
    return now._replace(jobs=put(now.jobs, job, now.jobs[job]._replace(**change)))


def is_over(now):
    """Return whether nothing of the flow can happen any more."""
    states = {job.state for job in now.jobs}
    over = all(group.state != "open" for group in now.groups)
    return over and not states & {"waiting", "queued", "running", "again"} and not now.runs
