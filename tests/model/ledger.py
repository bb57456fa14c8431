"""The ledger's statements: each one atomic, each counter and edge from celeriac.jobs itself."""

from dataclasses import replace

from celeriac.jobs import deciding, outcomes
from celeriac.jobs.losses import ANY_LOSS, Loss
from celeriac.jobs.outcomes import Outcome
from celeriac.jobs.states import Counters, State, Verb, after, allows, count, overtaken_by_cancel
from tests.model.properties import (
    CAPS,
    COUNTS,
    EDGE,
    NOT_BEFORE_TIME,
    OWNERSHIP,
    SEEN,
)
from tests.model.world import Expiry, Stage, breaks, durable, put, set_job

OUTCOMES = {
    "ok": outcomes.succeeded(None),
    "fail": Outcome(Verb.RETRY, error_class="ValueError"),
    "snooze": Outcome(Verb.SNOOZE, delay=1.0),
    "stop": Outcome(Verb.STOP),
    "away": Outcome(Verb.SNOOZE, delay=1.0, cuts=None),
    "cut off": outcomes.cut_off("its process was killed for another"),
    "release": outcomes.released("its doorbell's time was up"),
    "lost": outcomes.loss("its worker was lost", Loss.WORKER),
    "lost child": outcomes.loss("its process died", Loss.CHILD),
}


def row_locked(model, world, job):
    """Return whether an open transaction's unique hit holds the row of `job`."""
    return model.rules.hit_locks and any(
        caller.stage is Stage.HIT and caller.job == job for caller in world.callers
    )


def queued_under(model, world, key, *, but=-1):
    """Return the queued job with this unique_key, or None."""
    found = (
        job
        for job, row in enumerate(world.jobs)
        if job != but and row.state is State.QUEUED and model.specs[job].key == key
    )
    return next(found, None) if key else None


def inserting(model, world, key):
    """Return whether an open transaction has inserted this unique_key: others wait for it."""
    return bool(key) and any(
        caller.stage is Stage.INSERTED and model.specs[caller.job].key == key
        for caller in world.callers
    )


def fresh_claim(world):
    """Return a claim_id that nothing refers to: the smallest such number."""
    used = {row.claim for rows in (world.jobs, *world.forgettable) for row in rows}
    used.update(*(worker.claims for worker in world.workers))
    used.update(dispatcher.rescues for dispatcher in world.dispatchers)
    return next(number for number in range(1, 99) if number not in used)


def claim(model, world, ids, *, alone=None):
    """Claim what may be claimed of `ids`; return the world, the claimed ids and the claim.

    `alone` says whether a job with losses may be among them; if not said, one id may.
    """
    takes = []
    before = world.jobs
    number = fresh_claim(world)
    alone = len(ids) == 1 if alone is None else alone
    for job in ids:
        if _claimable(model, world, job, alone=alone):
            takes.append(job)
            world = _take(model, world, job, number)
    if takes:
        world = _answered(world, takes)
    if takes and world.budget.failover and not _lasts(model, takes):
        # Asynchronous: a failover may bring `before` back.
        world = world._replace(forgettable=(*world.forgettable, before)[-2:])
    return world, takes, number


def _lasts(model, taken):
    """Return whether a claim of these is durable: what has begun once may not begin again."""
    careful = any(model.specs[job].runs_again != ANY_LOSS for job in taken)
    return careful and model.rules.claims_durably


def _answered(world, taken):
    """Return the world whose dispatchers remember no bell of these jobs: it was answered."""
    dispatchers = tuple(
        dispatcher._replace(rung=tuple(job for job in dispatcher.rung if job not in taken))
        for dispatcher in world.dispatchers
    )
    if world.line.trusted:
        trusted = world.line.trusted.difference(taken)
        world = world._replace(line=world.line._replace(trusted=trusted))
    return world._replace(dispatchers=tuple(sorted(dispatchers)))


def _claimable(model, world, job, *, alone):
    row, rules = world.jobs[job], model.rules
    if row.state is not State.QUEUED and (rules.checks_state or row.state is None):
        return False
    if row_locked(model, world, job) or row.cancel:
        return False
    if rules.checks_due and not row.due:
        return False
    if rules.checks_pause and world.paused:
        return False
    if rules.checks_alone and row.losses and not alone:
        return False
    return not (_expired(model, row) or _lock_held(model, world, job))


def _expired(model, row):
    first = row.attempt == 0 or not model.rules.expires_first_only
    return row.expiry is Expiry.PAST and first


def _lock_held(model, world, job):
    lock = model.specs[job].lock
    return (
        model.rules.lock_index
        and bool(lock)
        and any(
            row.state is State.RUNNING and model.specs[other].lock == lock
            for other, row in enumerate(world.jobs)
        )
    )


def _take(model, world, job, number):
    row = world.jobs[job]
    if not allows(row.state, Verb.CLAIM):
        return breaks(world, EDGE)
    if not row.due or world.paused:
        world = breaks(world, NOT_BEFORE_TIME)
    attempt = count(_counters(row), Verb.CLAIM).attempt
    state = after(row.state, Verb.CLAIM)
    return set_job(world, job, row._replace(state=state, attempt=attempt, claim=number))


def holds(model, row, number, attempt):
    """Return whether a write about this run matches the row: the fence."""
    match model.rules.fence:
        case "claim":
            return row.state is State.RUNNING and row.claim == number
        case "attempt":
            return row.state is State.RUNNING and row.attempt == attempt
        case "state":
            return row.state is State.RUNNING
    return row.state is not None


def blocked(model, world, job, number, attempt):
    """Return whether a settle would wait for a transaction that has the row or its key."""
    waits = row_locked(model, world, job) or inserting(model, world, model.specs[job].key)
    return holds(model, world.jobs[job], number, attempt) and waits


def settle(model, world, job, *, number, attempt, outcome, saw=()):
    """Write how a run ended, synchronously; return the world and whether it was accepted."""
    row = world.jobs[job]
    if not holds(model, row, number, attempt):
        return world, False
    if row.state is not State.RUNNING or row.claim != number:
        return breaks(durable(world), OWNERSHIP), True
    ended = _cut(model, row) if outcome == "cut" else OUTCOMES[outcome]
    settlement = _decide(model, job, row, ended)
    cancelled = row.cancel and model.rules.cancel_overtakes
    verb = overtaken_by_cancel(settlement.verb, cancel_requested=cancelled)
    successor = _heir(model, world, job, verb)
    if successor is not None:
        verb = Verb.SUPERSEDE
    ended = _ended(row, verb, settlement)
    world = _owe(model, set_job(durable(world), job, ended), job, verb, successor, saw)
    world = set_job(world, job, ended._replace(met=_met(row, outcome)))
    return _charge_checked(world, row, ended, outcome), True


def _cut(model, row):
    """Return what a run comes to that lost its connection, though another could be had at once."""
    if not model.rules.cuts_end:
        return OUTCOMES["away"]
    if row.cuts + 1 >= outcomes.MOST_CUTS:
        return replace(OUTCOMES["fail"], cuts=outcomes.MOST_CUTS)
    return replace(OUTCOMES["away"], cuts=row.cuts + 1)


def _met(row, outcome):
    """Return how many runs in a row have lost a database that was there, after this one."""
    if outcome in ("away", "release"):
        return row.met
    return min(row.met + 1, outcomes.MOST_CUTS) if outcome == "cut" else 0


def _decide(model, job, row, outcome):
    spec, rules = model.specs[job], model.rules
    if outcome == OUTCOMES["away"] and not rules.outage_is_free:
        outcome = OUTCOMES["fail"]
    if outcome.verb is Verb.RELEASE and not rules.release_is_free:
        outcome = OUTCOMES["fail"]
    if outcome.verb is Verb.RESCUE and not rules.tells_losses:
        outcome = replace(outcome, loss=next(iter(spec.runs_again), Loss.WORKER))
    if outcome.verb is Verb.RESCUE and not rules.begins_once:
        spec = replace(spec, runs_again=ANY_LOSS)
    if outcome.verb is Verb.RESCUE and not rules.loss_is_no_failure:
        outcome = OUTCOMES["fail"]
    counts = row.attempt, row.failures, row.losses, spec.max_attempts
    settlement = deciding.decide_settlement(outcome, spec, *counts)
    if outcome.verb is Verb.RESCUE and not rules.counts_losses:
        return outcomes.Settlement(Verb.RESCUE)
    return settlement


def _heir(model, world, job, verb):
    """Return the job queued under the key that this one would be queued under, or None."""
    goes_back = after(State.RUNNING, verb) is State.QUEUED
    if not (goes_back and model.rules.superseded):
        return None
    return queued_under(model, world, model.specs[job].key, but=job)


def _ended(row, verb, settlement):
    counted = count(_counters(row), verb)
    state = after(State.RUNNING, verb)
    return row._replace(
        state=state,
        attempt=counted.attempt,
        failures=row.failures + settlement.failures,
        losses=row.losses + settlement.losses,
        cuts=row.cuts if settlement.cuts is None else settlement.cuts,
        claim=0,
        due=state is not State.QUEUED or verb in (Verb.RELEASE, Verb.RESCUE),
    )


def _owe(model, world, job, verb, successor, saw):
    """Account for the runs that `job` owed its callers; the successor takes over what it leaves."""
    owed = [caller for caller, debtor in enumerate(world.debts) if debtor == job]
    if verb is Verb.SUPERSEDE:
        if model.rules.heir_lifts_expiry:
            row = world.jobs[successor]._replace(expiry=Expiry.NONE)
            world = set_job(world, successor, row)
        return _debts(world, owed, successor)
    if verb is Verb.COMPLETE and any(caller not in saw for caller in owed):
        return breaks(world, SEEN)
    return _debts(world, owed, -1) if after(State.RUNNING, verb) is not State.QUEUED else world


def _debts(world, callers, debtor):
    debts = tuple(debtor if caller in callers else old for caller, old in enumerate(world.debts))
    return world._replace(debts=debts)


def _charge_checked(world, row, ended, outcome):
    failed, lost = ended.failures > row.failures, ended.losses > row.losses
    if outcome == "cut" and not failed and row.met + 1 >= outcomes.MOST_CUTS:
        world = breaks(world, CAPS)
    handlers = outcome == "fail" or (outcome == "cut" and row.cuts + 1 >= outcomes.MOST_CUTS)
    if failed != handlers or (lost and not outcome.startswith("lost")):
        return breaks(world, COUNTS)
    back = row.attempt - ended.attempt
    return breaks(world, COUNTS) if back > (outcome == "release") else world


def leave(model, world, job, verb, *, waived):
    """Move a row that no claim owns along `verb` (cancel, expire, operator's retry)."""
    row = world.jobs[job]
    counted = count(_counters(row), verb)
    if verb is Verb.REVIVE and not model.rules.retry_keeps_attempt:
        counted = Counters()
    if counted.attempt < row.attempt:
        world = breaks(world, COUNTS)
    owed = [caller for caller, debtor in enumerate(world.debts) if debtor == job]
    if owed and not waived:
        world = breaks(world, SEEN)
    moved = row._replace(state=after(row.state, verb), due=True, attempt=counted.attempt)
    moved = moved._replace(failures=counted.failures, losses=counted.losses, cuts=0, met=0)
    return _debts(set_job(durable(world), job, moved), owed, -1)


def _counters(row):
    return Counters(row.attempt, row.failures, row.losses)


def effect(world, job):
    """Return the world with one more committed effect of `job`."""
    return world._replace(effects=put(world.effects, job, min(2, world.effects[job] + 1)))
