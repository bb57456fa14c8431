"""The open line: a child that has answered a doorbell offers a place for the next one.

Places and mailboxes are the broker's; here they stand with their children, and those of a
child that is gone in `world.line.gone`. Each step is one script. Where a model has no line
a child goes back to the pool after its doorbell, and none of this happens.
"""

from tests.model.world import Line, Place, Worker, set_worker, spend

ON_THE_LINE = (Place.TAKEN, Place.FREE, Place.LEAVING, Place.LOOKED)


def moves(model, world):
    """Yield what children on the line may do, and what becomes of places and overflow."""
    if not model.line:
        return
    for index, worker in enumerate(world.workers):
        if index and worker == world.workers[index - 1]:
            continue  # they have no names
        if worker.place is Place.LEAVING and worker.works:
            yield _withdraw(world, index, worker)
        elif worker.place is not Place.POOL and worker.works and not (worker.claim or worker.mail):
            yield from _wait(model, world, index, worker)
        elif worker.place in ON_THE_LINE and (worker.stalled or worker.claim):
            later = set_worker(world, index, worker._replace(place=Place(worker.place - 1)))
            yield "a place expires whose child is asleep or busy", later, True
        if _offers_anew(model, world, worker):
            renewed = set_worker(world, index, worker._replace(place=Place.FREE))
            yield "a child offers its place anew", renewed, True
    if model.rules.places_expire:
        for place in dict.fromkeys(world.line.gone):
            yield "a place expires whose child is gone", _without(world, place), True
    yield from _take_back(model, world)


def _offers_anew(model, world, worker):
    """A mutant's: its wait is over, and a doorbell has come before it renews its offer."""
    waits = worker.works and worker.mail and not worker.claim
    return waits and not (model.rules.renews_empty or world.line.overflow)


def _without(world, place):
    gone = list(world.line.gone)
    gone.remove(place)
    return world._replace(line=world.line._replace(gone=tuple(gone)))


def _wait(model, world, index, worker):
    """The next step of a child that waits for a doorbell on the line."""
    if worker.place is not Place.FREE:
        yield _offer(model, world, index, worker)
    if worker.place is Place.LOOKED:
        return
    yield from _leave(model, world, index, worker)
    if world.budget.silent:
        unheard = set_worker(abandoned(spend(world, "silent"), worker), index, Worker())
        yield "a child leaves the line, and the broker does not hear of it", unheard, False


def _offer(model, world, index, worker):
    """Take what lies in the overflow, else mark the place free."""
    if worker.place is Place.LOOKED or not world.line.overflow:
        looks = not model.rules.offers_at_once and worker.place is not Place.LOOKED
        place = Place.LOOKED if looks else Place.FREE
        after = set_worker(world, index, worker._replace(place=place))
        return f"a child {'finds no overflow' if looks else 'offers its place'}", after, True
    ids, *rest = world.line.overflow
    after = world._replace(line=world.line._replace(overflow=tuple(rest)))
    given = worker._replace(place=Place.TAKEN, mail=(ids,))
    return f"a child offers its place and is given {ids}", set_worker(after, index, given), True


def _leave(model, world, index, worker):
    """Withdraw the place; where a doorbell lies in the mailbox it is answered instead."""
    rules = model.rules
    if not rules.leaves_at_once and worker.place is Place.FREE:
        looked = worker._replace(place=Place.LEAVING)
        yield "a child finds its mailbox empty", set_worker(world, index, looked), True
        return
    after = set_worker(world if rules.withdraws else abandoned(world, worker), index, Worker())
    yield "a child leaves the line", after, True


def _withdraw(world, index, worker):
    """A mutant's second step: whatever came in between is dropped."""
    return "a child withdraws its place and leaves", set_worker(world, index, Worker()), True


def _take_back(model, world):
    """Send what lies in the overflow by Celery, once not every slot is on the line."""
    if not world.line.overflow or _covered(model, world) or not model.rules.overflow_is_taken_back:
        return
    if any(dispatcher.alive for dispatcher in world.dispatchers):
        bells = tuple(sorted((*world.bells, *world.line.overflow)))
        after = world._replace(bells=bells, line=world.line._replace(overflow=()))
        yield "a dispatcher takes the overflow back, and sends it", after, True


def _covered(model, world):
    """Return whether every slot is on the line, as far as the broker knows."""
    on_the_line = sum(worker.place in ON_THE_LINE for worker in world.workers)
    return on_the_line + len(world.line.gone) >= model.workers


def answered(model, worker):
    """Return the child after a doorbell: on the line, where there is one."""
    if not model.line:
        return Worker()
    return Worker(place=max(Place.TURN, worker.place), mail=worker.mail)


def abandoned(world, worker):
    """Return the world in which nobody waits at the worker's place any more."""
    if worker.place not in ON_THE_LINE:
        return world
    free = worker.place in (Place.FREE, Place.LEAVING) and not worker.mail
    place = Place.FREE if free else Place.TAKEN
    gone = tuple(sorted((*world.line.gone, place)))
    return world._replace(line=world.line._replace(gone=gone))


def killed(world, index, worker):
    """Return the world in which the worker's child has died."""
    dead = worker._replace(child=False, place=Place.POOL, mail=())
    return set_worker(abandoned(world, worker), index, dead)


def flushed(world):
    """Return the world whose broker has forgotten places, mailboxes and overflow."""
    workers = tuple(
        worker._replace(place=min(worker.place, Place.TURN), mail=()) for worker in world.workers
    )
    line = Line(trusted=world.line.trusted)
    return world._replace(workers=tuple(sorted(workers)), line=line)


def doorbells(world):
    """Return every doorbell that lies in the broker."""
    mail = [ids for worker in world.workers for ids in worker.mail]
    return [*world.bells, *world.line.overflow, *mail]


def hand_over(model, world, job, *, force=False):
    """Yield (label, world after) for each free place that the caller of `job` may find."""
    if not model.line or not (force or model.rules.handed_after_commit):
        return
    if model.specs[job].lock and not model.rules.hands_locks:
        return
    world = _trust(world, job) if not model.rules.handed_is_doubted else world
    for label, after in _puts(model, world, (job,)):
        yield label, after
        if world.budget.twice:
            for second, twice in _puts(model, spend(after, "twice"), (job,)):
                yield f"{label}, and once more {second}", twice


def ring(model, world, ids):
    """Yield (label, world after) for each way of a dispatcher's doorbell."""
    puts = list(_puts(model, world, ids))
    if puts or len(world.bells) + len(world.line.overflow) >= model.bells:
        yield from puts
    elif model.line and _covered(model, world):
        for job in ids if not model.rules.overflow_is_doubted else ():
            world = _trust(world, job)
        overflow = tuple(sorted((*world.line.overflow, ids)))
        yield "into the overflow", world._replace(line=world.line._replace(overflow=overflow))
    else:
        yield "by Celery", world._replace(bells=tuple(sorted((*world.bells, ids))))


def _trust(world, job):
    return world._replace(line=world.line._replace(trusted=world.line.trusted | {job}))


def _puts(model, world, ids):
    """Yield what may become of a doorbell that is put into a free place."""
    if not model.line:
        return
    for index, worker in enumerate(world.workers):
        if index and worker == world.workers[index - 1]:
            continue
        if (worker.place is Place.FREE and len(worker.mail) < 2) or (
            worker.place is Place.LEAVING and not worker.mail
        ):
            yield "into a mailbox", set_worker(world, index, _put(model, worker, ids))
    if Place.FREE in world.line.gone:
        after = _without(world, Place.FREE)
        taken = tuple(sorted((*after.line.gone, Place.TAKEN)))
        yield "into the mailbox of nobody", after._replace(line=after.line._replace(gone=taken))


def _put(model, worker, ids):
    """Take the place; in a mutant it stays free, and the next doorbell joins or replaces this."""
    if worker.place is Place.LEAVING or model.rules.takes_place == "once":
        place = worker.place if worker.place is Place.LEAVING else Place.TAKEN
        return worker._replace(place=place, mail=(ids,))
    joins = model.rules.takes_place == "queues"
    return worker._replace(mail=(*worker.mail, ids) if joins else (ids,))
