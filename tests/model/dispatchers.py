"""A dispatcher's duties: ring, ring again, expire, rescue; and to lose its memory."""

from celeriac.jobs.states import State, Verb
from tests.model import ledger, line
from tests.model.properties import FIRST_START
from tests.model.world import Dispatcher, Expiry, breaks, mark_slack, set_dispatcher, spend


def moves(model, world):
    """Yield what each dispatcher may do next."""
    for index, dispatcher in enumerate(world.dispatchers):
        if index and dispatcher == world.dispatchers[index - 1]:
            continue  # they have no names
        if dispatcher.alive:
            yield from _ring(model, world, index, dispatcher)
            yield from _forget(model, world, index, dispatcher)
            yield from _rescue(model, world, index, dispatcher)
        else:
            yield "a dispatcher starts", set_dispatcher(world, index, _newborn(model, world)), True
    if any(dispatcher.alive for dispatcher in world.dispatchers):
        yield from _expire(model, world)


def _newborn(model, world):
    """A new dispatcher has rung nothing (a mutant's believes that all was rung)."""
    return Dispatcher(rung=() if model.rules.starts_empty else tuple(range(len(world.jobs))))


def _due(model, world, dispatcher):
    """Return the jobs that it would ring: due, admitted, not rung lately."""
    return [
        job
        for job, row in enumerate(world.jobs)
        if row.state is State.QUEUED
        and row.due
        and job not in dispatcher.rung
        and job not in world.line.trusted
        and (model.rules.sweeps or job in world.noticed)
        and not world.paused
        and not _held(model, world, job)
    ]


def _held(model, world, job):
    lock = model.specs[job].lock
    return bool(lock) and any(
        row.state is State.RUNNING and model.specs[other].lock == lock
        for other, row in enumerate(world.jobs)
    )


def _ring(model, world, index, dispatcher):
    """Ring every due job: those that may have company in one bell, the others alone."""
    due = _due(model, world, dispatcher)
    if not due:
        return
    alone = [job for job in due if model.specs[job].lock or world.jobs[job].losses]
    ids = tuple(job for job in due if job not in alone) or tuple(alone[:1])
    rung = tuple(sorted((*dispatcher.rung, *ids)))
    for way, after in line.ring(model, world, ids):
        remembered = set_dispatcher(after, index, dispatcher._replace(rung=rung))
        yield f"a dispatcher rings {ids} {way}", remembered, True


def _forget(model, world, index, dispatcher):
    """The re-ring time passes; before its bell was answered, that costs one `early`."""
    if not (model.rings_again and model.rules.rings_again):
        return
    for job in dispatcher.rung:
        early = any(job in ids for ids in line.doorbells(world))
        if early and not (world.budget.early and world.jobs[job].state is State.QUEUED):
            continue
        rung = tuple(other for other in dispatcher.rung if other != job)
        after = spend(world, "early") if early else world
        after = set_dispatcher(after, index, dispatcher._replace(rung=rung))
        yield f"the re-ring time of job {job} passes", after, True


def _rescue(model, world, index, dispatcher):
    """Read that a claim is lost; then, later, settle what it still has."""
    if dispatcher.rescues:
        yield from _take_back(model, world, index, dispatcher)
        return
    if not model.rules.rescues:
        return
    held = set().union(*(worker.claims for worker in world.workers if worker.awake))
    for number in sorted({row.claim for row in world.jobs} - held - {0}):
        after = set_dispatcher(world, index, dispatcher._replace(rescues=number))
        yield f"a dispatcher sees that claim {number} is lost", after, True


def _take_back(model, world, index, dispatcher):
    number, before = dispatcher.rescues, world
    lost = [job for job, row in enumerate(world.jobs) if row.claim == number]
    if any(ledger.blocked(model, world, job, number, world.jobs[job].attempt) for job in lost):
        return
    for job in lost:
        attempt = world.jobs[job].attempt
        world, _ = ledger.settle(model, world, job, number=number, attempt=attempt, outcome="lost")
    after = set_dispatcher(mark_slack(before, world), index, dispatcher._replace(rescues=0))
    yield f"a dispatcher rescues {lost} of claim {number}", after, True


def _expire(model, world):
    for job, row in enumerate(world.jobs):
        if row.state is not State.QUEUED or row.expiry is not Expiry.PAST:
            continue
        if (row.attempt and model.rules.expires_first_only) or ledger.row_locked(model, world, job):
            continue
        after = ledger.leave(model, world, job, Verb.EXPIRE, waived=False)
        yield f"job {job} expires", breaks(after, FIRST_START) if row.begun else after, True
