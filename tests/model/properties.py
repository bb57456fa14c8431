"""The invariants, each by the sentence that a report prints. DESIGN §1 by number.

Those asked of a step are named here and marked by the move that would break them
(`world.breaks`); those asked of a world are functions below.
"""

from celeriac.jobs.losses import Loss
from celeriac.jobs.states import State
from tests.model.world import Place, Stage

EXISTS = "1 a job exists exactly if its caller's transaction committed"
OWNERSHIP = "3 only the claim that owns a run writes about it"
EXACTLY_ONCE = "3 a transactional effect is committed exactly with its job's success"
STARTS_OWN = "3 no job starts that was lost while its child was away"
EDGE = "3 a row moves along an edge of the table, and no other"
NOT_BEFORE_TIME = "4 nothing is claimed before it is due, nor while its queue is paused"
COUNTS = "6 attempt grows, failures count failed handlers, losses count lost runs"
CAPS = "6 a job ends when its failures or its losses reach their limit"
INNOCENT = "6 a job is taken down by a neighbour once at most"
UNPAID = "6 nobody is charged a loss where no process was lost"
BEGINS_ONCE = "6 a run that had begun happens again only after a loss that its kind names"
ONE_QUEUED = "§4 one queued job per unique_key"
SEEN = "§4 a committed change is seen by a run that starts after its commit"
ONE_RUNNING = "§4 one running job per lock_key"
CANCEL = "§3 a cancel that was accepted is not forgotten"
BEHIND = "the line: no doorbell lies in the mailbox of a child that runs a job"
STANDS_IDLE = "the line: no doorbell lies in the overflow while a child stands idle"
BLAME = "6 at a hard limit only the job that overran is charged"
ONCE = "6 a job takes a neighbour down once at most"
STOPS_FREE = "6 a stop charges nobody"
GATHERED = "3 a stale result keeps no other from being written"
FIRST_START = "§3 expires_at binds the first start only"


def broken(model, world):
    """Return the first invariant that `world` breaks, or nothing."""
    return next((name for name, breaks in _CHECKS if breaks(model, world)), "")


def _exists(_model, world):
    """Return whether a change is committed without its job."""
    return any(caller.stage is Stage.VANISHED for caller in world.callers)


def _exactly_once(model, world):
    """Return whether an effect is there twice, or without its success, or a success without it."""
    return any(
        spec.transactional
        and (
            effects > 1
            or (row.state is State.SUCCEEDED and not effects)
            or (row.state in (State.DEAD, State.CANCELLED) and effects)
        )
        for spec, row, effects in zip(model.specs, world.jobs, world.effects, strict=True)
    )


def _caps(model, world):
    """Return whether a job goes on past its limits, or kills more processes than it may."""
    return any(
        row.failures > spec.max_attempts
        or row.losses > spec.max_losses
        or deaths > spec.max_losses
        or (row.state is State.QUEUED and row.failures == spec.max_attempts)
        or (row.state is State.QUEUED and row.losses == spec.max_losses)
        for spec, row, deaths in zip(model.specs, world.jobs, world.deaths, strict=True)
    )


def _innocent(model, world):
    """Return whether a job that kills nothing is charged more than once, and once a fault."""
    if not any(spec.kills for spec in model.specs):
        return False
    most = 1 + model.budget.child + model.budget.worker + model.budget.stall
    return any(
        row.losses > most
        for spec, row in zip(model.specs, world.jobs, strict=True)
        if not spec.kills
    )


def _unpaid(model, world):
    """Return whether a job was charged a loss though no process can die or sleep."""
    budget = model.budget
    if budget.child or budget.worker or budget.stall or any(spec.kills for spec in model.specs):
        return False
    return any(row.losses for row in world.jobs)


def _begins_once(model, world):
    """Return whether a run began once more than the losses so far allow."""
    spent = {Loss.CHILD: ("child",), Loss.WORKER: ("worker", "stall")}
    had, left = model.budget._asdict(), world.budget._asdict()
    for spec, starts in zip(model.specs, world.starts, strict=True):
        faults = [fault for loss in spec.runs_again for fault in spent.get(loss, ())]
        if starts > 1 + sum(had[fault] - left[fault] for fault in faults):
            return True
    return False


def _twice(model, world, state, of):
    held = [of(model.specs[job]) for job, row in enumerate(world.jobs) if row.state is state]
    keys = [key for key in held if key]
    return len(keys) != len(set(keys))


def _one_queued(model, world):
    return _twice(model, world, State.QUEUED, lambda spec: spec.key)


def _one_running(model, world):
    return _twice(model, world, State.RUNNING, lambda spec: spec.lock)


def _cancel(_model, world):
    """Return whether a job whose cancel was accepted goes on."""
    return any(
        world.jobs[job].state in (State.QUEUED, State.DEAD)
        or (world.jobs[job].state is State.RUNNING and not world.jobs[job].cancel)
        for job in world.asked
    )


def _behind(model, world):
    return model.line and any(worker.mail and worker.claim for worker in world.workers)


def _stands_idle(_model, world):
    return bool(world.line.overflow) and any(worker.place is Place.FREE for worker in world.workers)


_CHECKS = (
    (EXISTS, _exists),
    (EXACTLY_ONCE, _exactly_once),
    (CAPS, _caps),
    (INNOCENT, _innocent),
    (UNPAID, _unpaid),
    (BEGINS_ONCE, _begins_once),
    (ONE_QUEUED, _one_queued),
    (ONE_RUNNING, _one_running),
    (CANCEL, _cancel),
    (BEHIND, _behind),
    (STANDS_IDLE, _stands_idle),
)
