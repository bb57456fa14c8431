"""The parent of a process with slots: it watches limits, kills, buries; and what may befall it.

Its monitor kills, another of its threads buries: between any two steps here the other may act.
What it has noted is in the journal of the process, where whoever buries that finds it.
"""

from tests.model import ledger
from tests.model.many_world import Crew, Step, die, set_child
from tests.model.properties import BLAME, COUNTS, STOPS_FREE
from tests.model.world import breaks, set_worker, spend


def moves(model, world, index, crew):
    """Yield what the parent of a process may do next, and what may go wrong with it."""
    if not crew.alive:
        yield from _inherit(model, world, index, crew)
        return
    if crew.stalled:
        resumed = set_worker(world, index, crew._replace(stalled=False))
        yield "a worker goes on", resumed, False
        yield "a stalled worker is replaced", set_worker(world, index, Crew()), True
        return
    for place, child in enumerate(crew.children):
        if child.alive:
            yield from _watch(model, world, index, place, child)
        else:
            yield from _bury(model, world, index, place, child)
            yield from _note_late(world, index, place, child)
    yield from _stop(world, index, crew)
    yield from _faults(model, world, index, crew)


def _watch(model, world, index, place, child):
    """See a run past its limit; note whom the kill is for; kill."""
    if child.note or child.seen:
        yield _kill(model, world, index, place, child)
        return
    for slot in child.slots:
        spec = model.specs[slot.job]
        if slot.step is Step.RUNNING and spec.kills in ("limit", "late"):
            run = (slot.job, slot.claim)
            where = "note" if model.rules.notes_before_kill else "seen"
            noted = set_child(world, index, place, child._replace(**{where: run}))
            yield f"the monitor sees that job {slot.job} has overrun: its {where}", noted, True


def _kill(model, world, index, place, child):
    """Kill it; the noted run may have ended meanwhile, and its slot may have the next one."""
    run = child.note or child.seen
    runs = [(slot.job, slot.claim) for slot in child.slots if slot.step is Step.RUNNING]
    kept = child.note if model.rules.note_names_child or run in runs else ()
    killed = child._replace(note=kept, culprit=run[0])
    after = die(world, index, place, killed, run[0] if run in runs else -1)
    return f"the monitor kills the process of job {run[0]}", after, True


def _note_late(world, index, place, child):
    """A mutant's: whom it has killed is noted after the kill."""
    if child.seen:
        noted = child._replace(note=child.seen, seen=())
        yield "the monitor notes whom it has killed", set_child(world, index, place, noted), True


def _bury(model, world, index, place, child):
    """Settle what the journal of a dead process says, one part after the other."""
    crew, slot = world.workers[index], child.slots[0]
    run = {"number": slot.claim, "attempt": slot.number}
    left = child._replace(slots=child.slots[1:])
    if ledger.blocked(model, world, slot.job, *run.values()):
        return
    words = last_words(model, crew, child, slot)
    after, accepted = ledger.settle(model, world, slot.job, **run, outcome=words, saw=slot.saw)
    after = _judge(after, crew, child, slot, words) if accepted else after
    after = set_child(after, index, place, left)
    yield f"what job {slot.job} left in its slot is settled: {words}", after, True


def last_words(model, crew, child, slot):
    """Return what becomes of a slot's run, as the journal of its dead process tells."""
    rules = model.rules
    if slot.step is Step.TOLD:
        return slot.outcome if rules.told_is_kept else "lost"
    if slot.step not in (Step.RUNNING, Step.COMMITTED):
        return "release" if rules.loss_is_one else "lost"
    if child.note:
        return "lost" if (slot.job, slot.claim) == child.note else _neighbour(model)
    if crew.stopping and rules.stop_is_free:
        return "cut off"
    charged = rules.death_charges == "each" or len(child.slots) == 1
    return "lost" if charged and rules.death_charges != "none" else "cut off"


def _neighbour(model):
    return "cut off" if model.rules.neighbours_go_free else "lost"


def _judge(world, crew, child, slot, words):
    """What must hold of a verdict, told by what really happened."""
    ran = slot.step in (Step.RUNNING, Step.COMMITTED, Step.UNTOLD)
    if ran != (words in ("lost", "cut off")) or (slot.outcome and words != slot.outcome):
        return breaks(world, COUNTS)
    if words == "lost" and child.culprit not in (-1, slot.job):
        return breaks(world, BLAME)
    if words == "lost" and crew.stopping and child.culprit < 0 and not child.note:
        return breaks(world, STOPS_FREE)
    return world


def _stop(world, index, crew):
    """A stop: nothing starts any more; at the end of its grace what still runs is killed."""
    if not crew.stopping:
        if world.budget.stop:
            told = set_worker(spend(world, "stop"), index, crew._replace(stopping=True))
            yield "a worker is told to stop", told, False
        return
    for place, child in enumerate(crew.children):
        if child.alive and child.slots:
            killed = die(world, index, place, child)
            yield "the grace of the stop is over: a process is killed", killed, True
    if not any(child.slots for child in crew.children):
        yield "a stopped worker starts anew", set_worker(world, index, Crew()), True


def _faults(model, world, index, crew):
    busy = [place for place, child in enumerate(crew.children) if child.alive and child.slots]
    if world.budget.child:
        for place in busy:
            dead = die(spend(world, "child"), index, place, crew.children[place])
            yield "a process is killed, nobody knows why", dead, False
    if not any(child.slots for child in crew.children):
        return
    if world.budget.worker:
        kept = model.rules.note_is_in_journal
        children = tuple(
            child._replace(alive=False, note=child.note if kept else ()) for child in crew.children
        )
        dead = crew._replace(alive=False, children=tuple(sorted(children)))
        yield "a worker's parent is killed", set_worker(spend(world, "worker"), index, dead), False
    if world.budget.stall:
        asleep = set_worker(spend(world, "stall"), index, crew._replace(stalled=True))
        yield "a worker stalls past its lease", asleep, False


def _inherit(model, world, index, crew):
    """What a dead worker left is settled by another of its machine; or the machine is gone."""
    for place, child in enumerate(crew.children):
        if child.slots:
            yield from _bury(model, world, index, place, child)
    if not any(child.slots for child in crew.children):
        yield "a worker starts", set_worker(world, index, Crew()), True
    else:
        yield "its machine is gone, another starts", set_worker(world, index, Crew()), False
