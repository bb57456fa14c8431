"""A caller's transaction: insert or hit, then commit or roll back; then a nudge, if it arrives."""

from celeriac.jobs.states import State
from tests.model import ledger, line
from tests.model.properties import EXISTS
from tests.model.world import Caller, Expiry, Stage, breaks, durable, put, set_job


def moves(model, world):
    """Yield what each caller may do next."""
    for number, caller in enumerate(world.callers):
        match caller.stage:
            case Stage.IDLE:
                yield from _begin(model, world, number)
            case Stage.INSERTED | Stage.HIT:
                yield from _end(model, world, number, caller)
            case Stage.DETACHED:
                yield from _write_late(model, world, number, caller)


def _stage(world, number, stage, job):
    return world._replace(callers=put(world.callers, number, Caller(stage, job)))


def _begin(model, world, number):
    """Insert the job, or hit the one queued under its key; wait for who is inserting that."""
    job = model.enqueues[number]
    key = model.specs[job].key
    if not model.rules.in_transaction:
        yield (
            f"caller {number} commits its change",
            _stage(world, number, Stage.DETACHED, job),
            False,
        )
        return
    if ledger.inserting(model, world, key):
        return
    hit = _hit(model, world, key)
    if hit is None:
        after = _stage(world, number, Stage.INSERTED, job)
        if not model.rules.rings_after_commit:
            after = after._replace(bells=tuple(sorted((*after.bells, (job,)))))
        yield f"caller {number} inserts job {job}", after, False
        if not model.rules.handed_after_commit:
            for way, handed in line.hand_over(model, after, job, force=True):
                yield f"caller {number} inserts job {job} and puts it {way}", handed, False
    elif not ledger.row_locked(model, world, hit):
        yield f"caller {number} hits job {hit}", _stage(world, number, Stage.HIT, hit), False


def _hit(model, world, key):
    """Return the job that a new one of this key is absorbed by, or None."""
    queued = ledger.queued_under(model, world, key)
    if queued is not None or model.rules.hit_spares_running or not key:
        return queued
    running = (
        job
        for job, row in enumerate(world.jobs)
        if row.state is State.RUNNING and model.specs[job].key == key
    )
    return next(running, None)


def _end(model, world, number, caller):
    rolled_back = _stage(world, number, Stage.ROLLED_BACK, -1)
    yield f"caller {number} rolls back", rolled_back, True
    world = durable(_stage(world, number, Stage.COMMITTED, caller.job))
    if caller.stage is Stage.INSERTED:
        world = set_job(world, caller.job, model.row(caller.job))
        world = _owes(world, number, caller.job) if not model.specs[caller.job].expires else world
    else:
        world = _owes(_brought_forward(model, world, caller.job), number, caller.job)
    yield f"caller {number} commits, its nudge is lost", world, True
    if caller.stage is Stage.INSERTED:
        for way, handed in line.hand_over(model, world, caller.job):
            yield f"caller {number} commits and puts its job {way}", handed, False
    if not model.rules.sweeps:
        noticed = world.noticed | {caller.job}
        yield f"caller {number} commits and nudges", world._replace(noticed=noticed), True


def _owes(world, number, job):
    return world._replace(debts=put(world.debts, number, job))


def _brought_forward(model, world, job):
    row = world.jobs[job]._replace(due=True)
    if model.rules.hit_lifts_expiry:
        row = row._replace(expiry=Expiry.NONE)
    return set_job(world, job, row)


def _write_late(model, world, number, caller):
    """A mutant's second transaction, and the death between the two."""
    after = set_job(durable(world), caller.job, model.row(caller.job))
    yield (
        f"caller {number} writes its job",
        _stage(after, number, Stage.COMMITTED, caller.job),
        True,
    )
    died = _stage(world, number, Stage.VANISHED, caller.job)
    yield f"caller {number} dies", breaks(died, EXISTS), False
