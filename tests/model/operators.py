"""An operator's verbs, and the two clocks that nobody steers: a backoff ends, a deadline passes."""

from celeriac.jobs.states import State, Verb, allows
from tests.model import ledger
from tests.model.world import Expiry, durable, set_job, spend


def moves(model, world):
    """Yield what an operator may do next, and what the clock may."""
    for job, row in enumerate(world.jobs):
        if row.state is State.QUEUED and not row.due and not ledger.row_locked(model, world, job):
            yield f"job {job} falls due", set_job(world, job, row._replace(due=True)), True
        if row.expiry is Expiry.AHEAD and world.budget.deadline and row.state is not None:
            past = set_job(spend(world, "deadline"), job, row._replace(expiry=Expiry.PAST))
            yield f"the deadline of job {job} passes", past, False
        if world.budget.cancel and not ledger.row_locked(model, world, job):
            yield from _cancel(model, world, job, row)
        if world.budget.revive and not ledger.row_locked(model, world, job):
            yield from _revive(model, world, job, row)
    yield from _second_statement(world)
    yield from _pause(world)


def _cancel(model, world, job, row):
    """A queued job ends at once; a running one is asked to; both are answered yes."""
    spent = spend(world, "cancel")
    if row.state is State.QUEUED:
        after = ledger.leave(model, spent, job, Verb.CANCEL, waived=True)
        yield f"an operator cancels job {job}", after._replace(asked=world.asked | {job}), False
    elif row.state is State.RUNNING and model.rules.cancels_at_once:
        yield f"an operator asks job {job} to stop", _ask(spent, job), False
    elif row.state is State.RUNNING:
        yield f"an operator finds job {job} not queued", spent._replace(operator=job), False


def _ask(world, job):
    row = world.jobs[job]._replace(cancel=True)
    return set_job(durable(world), job, row)._replace(asked=world.asked | {job})


def _second_statement(world):
    """A mutant's: it asks whoever runs the job, and says yes to the operator anyway."""
    job = world.operator
    if job < 0:
        return
    after = world._replace(operator=-1)
    if world.jobs[job].state is State.RUNNING:
        after = _ask(after, job)
    yield (
        f"an operator's second statement on job {job}",
        after._replace(asked=world.asked | {job}),
        True,
    )


def _revive(model, world, job, row):
    """An operator's retry: refused while the job's key is queued anew."""
    key = model.specs[job].key
    if not allows(row.state, Verb.REVIVE) or ledger.inserting(model, world, key):
        return
    if model.rules.superseded and ledger.queued_under(model, world, key) is not None:
        return
    after = ledger.leave(model, spend(world, "revive"), job, Verb.REVIVE, waived=True)
    fresh = after.jobs[job]._replace(cancel=False, expiry=Expiry.NONE, begun=False)
    after = set_job(after, job, fresh)._replace(asked=world.asked - {job})
    yield f"an operator retries job {job}", after, False


def _pause(world):
    if world.paused:
        yield "the queue is resumed", world._replace(paused=False), True
    elif world.budget.pause:
        yield "the queue is paused", durable(spend(world, "pause"))._replace(paused=True), False
