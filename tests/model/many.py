"""Many jobs at once in one process: its slots, each with a part of the journal, and its settler.

A worker has one process with slots, and one more for each job with losses, which runs without
neighbours. What its parent does about them is in `many_parents.py`. Ledger, dispatchers and
operators are those of every other configuration.
"""

from dataclasses import dataclass
from itertools import combinations

from celeriac.jobs.states import State
from tests.model import callers, dispatchers, ledger, many_parents, operators
from tests.model.many_world import Child, Crew, Slot, Step, die, set_child
from tests.model.model import Model
from tests.model.properties import GATHERED
from tests.model.world import breaks, committed, spend


@dataclass(frozen=True)
class Many(Model):
    """A configuration with slots."""

    workers: int = 1
    width: int = 2

    @property
    def initial(self):
        """All slots are free."""
        return super().initial._replace(workers=(Crew(),) * self.workers)

    @property
    def bound(self):
        """The bound in words."""
        return f"{super().bound}, {self.width} slots"

    def moves(self, world):
        """Yield (label, world after, fair) for every step that some process can make."""
        for part in (callers, dispatchers, operators):
            yield from part.moves(self, world)
        for index, crew in enumerate(world.workers):
            yield from many_parents.moves(self, world, index, crew)
            for place, child in enumerate(crew.children):
                if crew.awake and child.alive:
                    yield from _child(self, world, index, place, child)
        if world.budget.flush and world.bells:
            yield "FLUSHALL", spend(world, "flush")._replace(bells=()), False


def _set_slot(world, at, child, slot, then=None):
    slots = [each for each in child.slots if each is not slot]
    slots += [then] if then else []
    return set_child(world, *at, child._replace(slots=tuple(slots)))


def _child(model, world, index, place, child):
    """What a living process may do next."""
    at = (index, place)
    if not (child.alone or child.unfit or world.workers[index].stopping):
        yield from _answer(model, world, at, child)
    for slot in child.slots:
        if slot.step is Step.FORKED:
            yield *_claim(model, world, at, child, (slot.job,)), True
        elif slot.step is Step.UNOPENED:
            opened = _set_slot(world, at, child, slot, slot._replace(step=Step.CLAIMED))
            yield f"claim {slot.claim}: the slot of job {slot.job} is opened", opened, True
        elif slot.step is Step.CLAIMED and _has_room(model, child):
            yield _start(model, world, at, child, slot)
        elif slot.step in (Step.RUNNING, Step.UNTOLD):
            yield from _end(model, world, at, child, slot)
        elif slot.step is Step.COMMITTED:
            yield f"job {slot.job} gives its slot back", _set_slot(world, at, child, slot), True
    yield from _settle(model, world, at, child)
    if world.budget.unfit and not child.alone and not child.unfit and _ended(child):
        unfit = set_child(spend(world, "unfit"), *at, child._replace(unfit=True))
        yield "the settler of a process fails for good", unfit, False
    yield from _leave(model, world, at, child)


def _has_room(model, child):
    """Whether less jobs run there than it has slots: a mutant claims more."""
    running = (Step.RUNNING, Step.UNTOLD)
    return sum(slot.step in running for slot in child.slots) < model.width


def _ended(child):
    return [slot for slot in child.slots if slot.step in (Step.TOLD, Step.CLOSED)]


def _answer(model, world, at, child):
    """Claim as many of a doorbell's ids as there are free slots; the rest waits for the next."""
    free = model.width - len(child.slots)
    for ids in dict.fromkeys(world.bells):
        most = free if model.rules.claims_for_free_slots else len(ids)
        taken, rest = ids[:most], ids[most:]
        if not taken or any(slot.step is Step.UNOPENED for slot in child.slots):
            continue
        bells = list(world.bells)
        bells.remove(ids)
        left = world._replace(bells=tuple(sorted([*bells, *([rest] if rest else [])])))
        label, after = _claim(model, left, at, child, taken)
        yield label, after, True
        if world.budget.twice and after.jobs != world.jobs:
            kept = spend(after, "twice")._replace(bells=world.bells)
            yield f"{label}, and the broker keeps the bell", kept, False


def _claim(model, world, at, child, ids):
    """Note a claim and make it; who has losses gets a process without neighbours."""
    alone = len(ids) == 1 and _without_neighbours(model, child)
    after, taken, number = ledger.claim(model, world, ids, alone=alone)
    step = Step.CLAIMED if model.rules.slot_opens_first else Step.UNOPENED
    claimed = tuple(Slot(job, number, step, after.jobs[job].attempt) for job in taken)
    label, more = f"doorbell {ids}: claim {number} takes {taken}", ()
    if not taken and not child.alone and _is_lonely(world, at[0], ids):
        more = (Child(alone=True, slots=(Slot(ids[0], number),)),)
        label = f"doorbell {ids}: it has losses, and a process is forked for it"
    slots = tuple(slot for slot in child.slots if slot.step is not Step.FORKED)
    return label, set_child(after, *at, child._replace(slots=(*slots, *claimed)), *more)


def _without_neighbours(model, child):
    """Whether a job with losses may be claimed there."""
    match model.rules.losses_run:
        case "alone":
            return child.alone
        case "first":  # a mutant's: others may come later
            return not child.slots
    return True  # "beside": a mutant's


def _is_lonely(world, index, ids):
    """Whether that is one job with losses, and no process runs it yet."""
    children = world.workers[index].children
    runs = {slot.job for child in children if child.alone and child.alive for slot in child.slots}
    row = world.jobs[ids[0]]
    return len(ids) == 1 and row.state is State.QUEUED and row.losses and ids[0] not in runs


def _start(model, world, at, child, slot):
    step = Step.RUNNING if model.rules.slot_first else Step.UNTOLD
    started = slot._replace(step=step, saw=committed(world))
    world = _set_slot(world, at, child, slot, started)
    return f"claim {slot.claim}: job {slot.job} starts", world, True


def _end(model, world, at, child, slot):
    """A handler ends in one of its job's ways, takes its process along, or never ends."""
    spec = model.specs[slot.job]
    if spec.waits_for >= 0 and world.jobs[spec.waits_for].state is not State.SUCCEEDED:
        return
    if spec.kills == "child":
        # One that comes between the monitor's note and its kill is taken for that kill.
        killer = -1 if child.note else slot.job
        yield f"job {slot.job} kills its process", die(world, *at, child, killer), True
        return
    for ending in spec.endings if spec.kills != "limit" else ():
        label = f"claim {slot.claim}: job {slot.job} ends {ending}"
        if spec.transactional and ending == "ok":
            yield from _commit(model, world, at, child, slot)
            continue
        step = Step.TOLD if model.rules.slot_closes_last else Step.CLOSED
        told = slot._replace(step=step, outcome=ending)
        yield label, _set_slot(world, at, child, slot, told), True


def _commit(model, world, at, child, slot):
    """A transactional handler settles in its own transaction, then its slot is given back."""
    if ledger.blocked(model, world, slot.job, slot.claim, slot.number):
        return
    run = {"number": slot.claim, "attempt": slot.number}
    after, accepted = ledger.settle(model, world, slot.job, **run, outcome="ok", saw=slot.saw)
    after = ledger.effect(after, slot.job) if accepted else after
    after = _set_slot(after, at, child, slot, slot._replace(step=Step.COMMITTED))
    yield f"job {slot.job} {'commits' if accepted else 'rolls back'}", after, True


def _settle(model, world, at, child):
    """Settle what has ended, any of it together."""
    ended = [] if child.unfit else _ended(child)
    for count in range(1, len(ended) + 1):
        for gathered in combinations(ended, count):
            yield from _write(model, world, at, child, gathered)


def _write(model, world, at, child, gathered):
    """One transaction; a stale result is refused, and the others are written."""
    runs = [(slot.job, slot.claim, slot.number) for slot in gathered]
    if any(ledger.blocked(model, world, *run) for run in runs):
        return
    own = [ledger.holds(model, world.jobs[run[0]], *run[1:]) for run in runs]
    written = gathered if model.rules.stale_is_apart or all(own) else ()
    if not model.rules.gathers_whole and world.budget.child and len(written) > 1:
        half = _settle_runs(model, world, written[:1])
        dead = die(spend(half, "child"), *at, child)
        yield "a settle writes one of two results, and its process dies", dead, False
    after = _settle_runs(model, world, written)
    if any(own) and len(written) < len(gathered):
        after = breaks(after, GATHERED)
    kept = tuple(slot for slot in child.slots if slot not in gathered)
    label = f"the results of {[slot.job for slot in gathered]} are settled together"
    yield label, set_child(after, *at, child._replace(slots=kept)), True
    if world.budget.child:
        dead = die(spend(after, "child"), *at, child)
        yield f"{label}; their process dies before it frees the slots", dead, False


def _settle_runs(model, world, slots):
    for slot in slots:
        run = {"number": slot.claim, "attempt": slot.number}
        settled = ledger.settle(model, world, slot.job, **run, outcome=slot.outcome, saw=slot.saw)
        world, _ = settled
    return world


def _leave(model, world, at, child):
    """A process that can settle nothing ends, once nothing runs in it that may end."""
    if not child.unfit or any(slot.step < Step.TOLD for slot in child.slots):
        return
    if model.rules.unfit_ends_itself or world.bells:
        dead = die(world, *at, child)
        yield "a process that can settle nothing ends", dead, True
