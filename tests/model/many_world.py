"""A worker whose process has many slots, as nested tuples; see many.py."""

from enum import IntEnum
from typing import NamedTuple

from tests.model.properties import ONCE
from tests.model.world import breaks, put, set_worker


class Step(IntEnum):
    """How far a slot's job has come, and with it what its part of the journal says."""

    FORKED = 0  # of a lone process: its claim is noted, and not made yet
    CLAIMED = 1
    RUNNING = 2  # the journal has the start, and the handler runs
    COMMITTED = 3  # transactional: committed with its handler, the journal not told yet
    TOLD = 4  # the journal has the outcome
    UNOPENED = 5  # a mutant's: claimed, and the journal does not have it
    UNTOLD = 6  # a mutant's: the handler runs, and the journal has only the claim
    CLOSED = 7  # a mutant's: to be settled, and the journal has nothing any more


#: Of a slot whose part of the journal says nothing.
HIDDEN = (Step.UNOPENED, Step.CLOSED)


class Slot(NamedTuple):
    """A slot that is taken."""

    job: int
    claim: int
    step: Step = Step.FORKED
    number: int = 0  # the attempt that the claim gave it
    outcome: str = ""
    saw: tuple = ()  # ghost: the callers whose commits its handler could see


class Child(NamedTuple):
    """A process: the one with the slots, or one for a job with losses."""

    alone: bool = False
    alive: bool = True
    unfit: bool = False  # what ends in it can't be settled there
    slots: tuple = ()
    note: tuple = ()  # (job, claim) of the run for which the monitor kills it
    seen: tuple = ()  # the same, before that is noted
    culprit: int = -1  # ghost: the job for whose limit it was killed


class Crew(NamedTuple):
    """A worker whose child has many slots."""

    alive: bool = True
    stalled: bool = False
    stopping: bool = False
    children: tuple = (Child(),)

    fresh, mail = False, ()  # see Worker

    @property
    def awake(self):
        """Whether its processes make steps."""
        return self.alive and not self.stalled

    @property
    def claims(self):
        """The claims that its journals vouch for."""
        slots = (slot for child in self.children for slot in child.slots)
        return {slot.claim for slot in slots if slot.step not in HIDDEN}


def set_child(world, index, place, child, *more):
    """Return the world with another child, and `more`; who has nothing left to do is gone."""
    crew = world.workers[index]
    children = put(crew.children, place, child._replace(slots=tuple(sorted(child.slots))))
    kept = (each for each in (*children, *more) if each.slots or (each.alive and not each.alone))
    return set_worker(world, index, crew._replace(children=tuple(sorted(kept))))


def die(world, index, place, child, job=-1):
    """Return the world in which the process is dead, by `job` where that counts for its bound."""
    if job >= 0 and not world.workers[index].stopping:
        deaths = put(world.deaths, job, world.deaths[job] + 1)
        world = _takes_down(world._replace(deaths=deaths), child, job)
    more = () if child.alone else (Child(),)
    known = tuple(slot for slot in child.slots if slot.step not in HIDDEN)
    return set_child(world, index, place, child._replace(alive=False, slots=known), *more)


def _takes_down(world, child, job):
    """Note whom `job` takes along: each once at most."""
    pairs = {(job, slot.job) for slot in child.slots if slot.step is Step.RUNNING}
    pairs.discard((job, job))
    world = breaks(world, ONCE) if pairs & world.downs else world
    return world._replace(downs=world.downs | pairs)
