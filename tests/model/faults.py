"""What may go wrong between any two steps, each as often as the budget says."""

from tests.model import line
from tests.model.world import (
    Dispatcher,
    Phase,
    Place,
    Stage,
    Worker,
    mark_slack,
    set_dispatcher,
    set_worker,
    spend,
)


def moves(model, world):
    """Yield every fault that is left."""
    for index, worker in enumerate(world.workers):
        yield from _worker(model, world, index, worker)
    if world.budget.dispatcher:
        for index, dispatcher in enumerate(world.dispatchers):
            if dispatcher.alive:
                dead = set_dispatcher(spend(world, "dispatcher"), index, Dispatcher(alive=False))
                yield "a dispatcher dies", dead, False
    if world.budget.flush and (world.bells or model.line):
        yield "FLUSHALL", line.flushed(spend(world, "flush")._replace(bells=())), False
    if world.budget.failover:
        yield from _failover(model, world)


def _worker(model, world, index, worker):
    if worker.stalled and worker.alive:
        resumed = worker._replace(stalled=False)
        yield f"claim {worker.claim}: its worker goes on", set_worker(world, index, resumed), False
        replaced = set_worker(line.abandoned(world, worker), index, Worker())
        yield f"claim {worker.claim}: its stalled worker is replaced", replaced, True
    if not worker.awake or not (worker.claim or worker.place > Place.TURN):
        return  # an idle worker's death or sleep is that of its bell
    if world.budget.worker:
        left = line.abandoned(spend(world, "worker"), worker)
        dead = set_worker(left, index, Worker(alive=False))
        yield f"claim {worker.claim}: its worker is killed", dead, False
    if world.budget.child and worker.child:
        after = line.killed(spend(world, "child"), index, worker)
        yield f"claim {worker.claim}: its child is killed", after, False
    if world.budget.stall:
        asleep = worker._replace(stalled=True, fresh=False, slack=False)
        after = set_worker(spend(world, "stall"), index, asleep)
        yield f"claim {worker.claim}: its worker stalls past its lease", after, False


def _failover(model, world):
    """The standby has a prefix of the log: asynchronous claims may be missing, newest first."""
    for back in range(len(world.forgettable) + 1):
        if back == 0 and not _open(model, world):
            continue
        after = spend(world, "failover")
        if back:
            after = after._replace(jobs=world.forgettable[-back], forgettable=())
        after = _disconnect(model, after._replace(forgettable=()))
        yield f"the database fails over and forgets {back} claims", mark_slack(world, after), False


def _open(model, world):
    """Return whether some transaction is open, for a failover to end."""
    return any(caller.stage in (Stage.INSERTED, Stage.HIT) for caller in world.callers) or any(
        _cut(model, entry) is not entry for worker in world.workers for entry in worker.entries
    )


def _disconnect(model, world):
    """End every open transaction: the callers', and those of transactional handlers."""
    callers = tuple(
        caller._replace(stage=Stage.ROLLED_BACK, job=-1)
        if caller.stage in (Stage.INSERTED, Stage.HIT)
        else caller
        for caller in world.callers
    )
    workers = tuple(
        worker._replace(entries=tuple(_cut(model, entry) for entry in worker.entries))
        for worker in world.workers
    )
    return world._replace(callers=callers, workers=tuple(sorted(workers)))


def _cut(model, entry):
    if entry.phase is Phase.RUNNING and model.specs[entry.job].transactional:
        return entry._replace(phase=Phase.DONE, outcome="away")
    return entry
