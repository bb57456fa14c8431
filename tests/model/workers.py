"""A worker: take a doorbell, claim, verify, run, settle; its parent reaps a dead child."""

from celeriac.jobs.losses import ANY_LOSS
from celeriac.jobs.states import State
from tests.model import ledger, line
from tests.model.properties import COUNTS, STARTS_OWN
from tests.model.world import (
    Entry,
    Phase,
    Place,
    Worker,
    breaks,
    committed,
    durable,
    put,
    set_job,
    set_worker,
    spend,
)


def moves(model, world):
    """Yield what each worker may do next."""
    for index, worker in enumerate(world.workers):
        if index and worker == world.workers[index - 1]:
            continue  # they have no names
        if not worker.alive:
            yield "a worker starts", set_worker(world, index, Worker()), True
        elif worker.works and not worker.claim:
            yield from _answer(model, world, index, worker)
        elif worker.works:
            yield from _go_on(model, world, index, worker)
        elif worker.awake:
            yield from _reap(model, world, index, worker)


def _answer(model, world, index, worker):
    """Take what lies in the mailbox; in the pool, what lies in the broker, which may keep it."""
    if worker.mail and worker.place is not Place.LEAVING:
        yield from _answer_mail(model, world, index, worker)
        return
    for ids in dict.fromkeys(world.bells) if worker.place is Place.POOL else ():
        left = list(world.bells)
        left.remove(ids)
        rest = world._replace(bells=tuple(left))
        for label, after, fair in _claim(model, rest, index, worker, ids):
            yield label, after, fair
            if fair and world.budget.twice and after.jobs != world.jobs:
                kept = spend(after, "twice")._replace(bells=world.bells)
                yield f"{label}, and the broker keeps the bell", kept, False


def _answer_mail(model, world, index, worker):
    ids, *rest = worker.mail
    place = Place.TAKEN if model.rules.takes_place == "overwrites" else worker.place
    took = worker._replace(place=place, mail=tuple(rest), fresh=True)
    if not model.rules.mail_is_claimed:
        entries = tuple(Entry(job, world.jobs[job].attempt) for job in ids)
        unclaimed = took._replace(claim=ledger.fresh_claim(world), entries=entries)
        yield f"mail {ids}: starts it without a claim", set_worker(world, index, unclaimed), True
        return
    if not (model.rules.mail_checks_due and model.rules.mail_checks_pause):
        rules = model.rules
        due, pause = rules.mail_checks_due, rules.mail_checks_pause
        model = model.mutate(checks_due=due, checks_pause=pause)
    yield from _claim(model, world, index, took, ids)


def _claim(model, world, index, worker, ids):
    after, taken, number = ledger.claim(model, world, ids)
    label = f"doorbell {ids}: claim {number} takes {taken}"
    if not taken:
        yield label, set_worker(after, index, line.answered(model, worker)), True
        return
    entries = tuple(Entry(job, after.jobs[job].attempt) for job in taken)
    claimed = worker._replace(claim=number, entries=entries)
    yield label, set_worker(after, index, claimed), True
    if world.budget.answer:
        kept = worker._replace(claim=number, asks=ids)
        kept = kept if model.rules.keeps_claim else line.answered(model, worker)
        yield f"{label}; the answer is lost", spend(set_worker(after, index, kept), "answer"), False


def _ask(world, index, worker):
    """The child asks what became of its claim, on a new connection."""
    told = worker._replace(entries=_claimed(world, worker), asks=())
    return f"claim {worker.claim}: asks what became of it", set_worker(world, index, told), True


def _claimed(world, worker):
    """Return what a claim whose answer was lost has taken: nothing of it has started."""
    rows = ((job, world.jobs[job]) for job in worker.asks)
    return tuple(
        Entry(job, row.attempt)
        for job, row in rows
        if row.state is State.RUNNING and row.claim == worker.claim
    )


def _go_on(model, world, index, worker):
    """The next step of a child that holds a claim."""
    phases = {entry.phase for entry in worker.entries}
    if worker.asks:
        yield _ask(world, index, worker)
    elif Phase.RUNNING in phases:
        yield from _finish(model, world, index, worker)
    elif Phase.WAITING in phases:
        yield from _next(model, world, index, worker)
    elif phases:
        yield from _settle(model, world, index, worker)
    else:
        done = set_worker(world, index, line.answered(model, worker))
        yield f"claim {worker.claim}: nothing left", done, True


def _next(model, world, index, worker):
    if model.rules.verifies and not worker.fresh:
        yield _verify(world, index, worker)
        return
    place = next(i for i, entry in enumerate(worker.entries) if entry.phase is Phase.WAITING)
    yield _start(model, world, index, worker, place)
    if world.budget.release:
        entries = tuple(
            entry._replace(phase=Phase.DONE, outcome="release")
            if entry.phase is Phase.WAITING
            else entry
            for entry in worker.entries
        )
        after = set_worker(spend(world, "release"), index, worker._replace(entries=entries))
        yield f"claim {worker.claim}: releases what has not started", after, False


def _verify(world, index, worker):
    entries = tuple(
        entry
        for entry in worker.entries
        if entry.phase is not Phase.WAITING or _is_own(world, worker, entry)
    )
    kept = worker._replace(entries=entries, fresh=True, slack=False)
    return f"claim {worker.claim}: verifies", set_worker(world, index, kept), True


def _is_own(world, worker, entry):
    row = world.jobs[entry.job]
    return row.state is State.RUNNING and row.claim == worker.claim


def _start(model, world, index, worker, place):
    entry = worker.entries[place]
    if _is_own(world, worker, entry):
        world = set_job(world, entry.job, world.jobs[entry.job]._replace(begun=True))
    elif not worker.slack:
        world = breaks(world, STARTS_OWN)
    if model.specs[entry.job].runs_again != ANY_LOSS:
        world = world._replace(starts=put(world.starts, entry.job, world.starts[entry.job] + 1))
    started = entry._replace(phase=Phase.RUNNING, saw=committed(world))
    entries = put(worker.entries, place, started)
    after = set_worker(world, index, worker._replace(entries=entries))
    return f"claim {worker.claim}: starts job {entry.job}", after, True


def _finish(model, world, index, worker):
    """The running handler ends, in one of its job's ways; a killer takes its process along."""
    place = next(i for i, e in enumerate(worker.entries) if e.phase is Phase.RUNNING)
    job = worker.entries[place].job
    if model.specs[job].kills:
        yield _kill(world, index, worker, job, model.specs[job].kills)
    else:
        yield from _endings(model, world, index, worker, place)


def _entry(world, index, worker, place, entry):
    return set_worker(world, index, worker._replace(entries=put(worker.entries, place, entry)))


def _kill(world, index, worker, job, what):
    deaths = put(world.deaths, job, world.deaths[job] + 1)
    world = world._replace(deaths=deaths)
    if what == "child":
        after = line.killed(world, index, worker)
    else:
        after = set_worker(line.abandoned(world, worker), index, Worker(alive=False))
    return f"claim {worker.claim}: job {job} kills its {what}", after, True


def _endings(model, world, index, worker, place):
    entry = worker.entries[place]
    for ending in model.specs[entry.job].endings:
        if ending == "snooze" and not world.budget.snooze:
            continue
        if ending == "stop" and not world.jobs[entry.job].cancel:
            continue
        after = spend(world, "snooze") if ending == "snooze" else world
        label = f"claim {worker.claim}: job {entry.job} ends {ending}"
        if model.specs[entry.job].transactional and ending == "ok":
            yield from _commit(model, after, index, worker, place)
            continue
        done = entry._replace(phase=Phase.DONE, outcome=ending)
        yield label, _entry(after, index, worker, place, done), True


def _commit(model, world, index, worker, place):
    """A transactional handler: its effect and its settle commit together, or neither does."""
    entry = worker.entries[place]
    if not model.rules.joint_commit:
        done = entry._replace(phase=Phase.DONE, outcome="ok")
        after = _entry(ledger.effect(durable(world), entry.job), index, worker, place, done)
        yield f"claim {worker.claim}: job {entry.job} commits its effect alone", after, True
        return
    run = {"number": worker.claim, "attempt": entry.number}
    if ledger.blocked(model, world, entry.job, *run.values()):
        return
    after, accepted = ledger.settle(model, world, entry.job, **run, outcome="ok", saw=entry.saw)
    told = worker._replace(entries=worker.entries[:place] + worker.entries[place + 1 :])
    if not accepted:
        label = f"claim {worker.claim}: job {entry.job} is refused and rolls back"
        yield label, set_worker(after, index, told), True
        return
    after = ledger.effect(after, entry.job)
    label = f"claim {worker.claim}: job {entry.job} commits"
    yield label, set_worker(after, index, told), True
    if world.budget.child:
        entries = put(worker.entries, place, entry._replace(phase=Phase.COMMITTED))
        unsaid = line.killed(spend(after, "child"), index, worker._replace(entries=entries))
        yield f"{label}; its child dies before it tells the slot", unsaid, False


def _settle(model, world, index, worker):
    """All outcomes in one statement, once no transaction stands in its way."""
    after = _write(model, world, worker, [(entry, entry.outcome) for entry in worker.entries])
    if after is None:
        return
    label = f"claim {worker.claim}: settles"
    yield label, set_worker(after, index, line.answered(model, worker)), True
    if world.budget.child:
        after = line.killed(spend(after, "child"), index, worker)
        yield f"{label}; its child dies before it clears the slot", after, False


def _write(model, world, worker, outcomes):
    runs = [(entry.job, worker.claim, entry.number) for entry, _ in outcomes]
    if any(ledger.blocked(model, world, *run) for run in runs):
        return None
    for entry, outcome in outcomes:
        world, _ = ledger.settle(
            model,
            world,
            entry.job,
            number=worker.claim,
            attempt=entry.number,
            outcome=outcome,
            saw=entry.saw,
        )
    return world


def _reap(model, world, index, worker):
    """The parent: settle what the slot says is done, charge what ran, release the rest."""
    entries = worker.entries or _claimed(world, worker)
    outcomes = [(entry, _last_words(model, entry)) for entry in entries]
    after = _write(model, world, worker, outcomes)
    if after is None:
        return
    for entry, outcome in outcomes:
        ran = entry.phase in (Phase.RUNNING, Phase.COMMITTED)
        if outcome.startswith("lost") != ran:
            after = breaks(after, COUNTS)
    yield (
        f"claim {worker.claim}: its parent reaps the child",
        set_worker(after, index, Worker()),
        True,
    )


def _last_words(model, entry):
    if entry.phase is Phase.DONE:
        return entry.outcome
    if entry.phase in (Phase.RUNNING, Phase.COMMITTED):
        return "lost child" if model.rules.slot_first else "release"
    return "release" if model.rules.loss_is_one else "lost child"
