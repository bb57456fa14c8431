"""What an operator does to a flow: retries a dead member, cancels all; see flows.py."""

from tests.model.flows_world import (
    FOLLOWER,
    GROUPS,
    RERUN,
    A,
    B,
    Group,
    follower_is_held,
    is_held,
    is_shared,
    put,
    set_job,
    spend,
)


def operates(now, model):
    """Yield what an operator may do."""
    rules = model.rules
    locked = any(is_held(now, group) for group in (A, B)) or follower_is_held(now)
    if locked and rules.reopening_locks:
        return
    if (
        now.jobs[0].state == "dead"
        and not (is_shared(now) or now.called_off)
        and (after := spend(now, "retry"))
    ):
        yield "an operator retries job 0", _reopen(after, model), False
    if not now.called_off and (after := spend(now, "cancel")) and not is_shared(now):
        yield "the flow is cancelled", _cancel(after, rules), False


def _reopen(now, model):
    rules, group = model.rules, now.groups[A]
    after = set_job(now, 0, state="queued")
    if rules.reopens_group and group.state == "bad":
        generation = group.generation + rules.counts_generations
        after = after._replace(groups=put(after.groups, A, Group("open", generation)))
    follower = now.jobs[FOLLOWER].state
    again = follower == "cancelled" and rules.reopens_cancelled and not now.called_off
    if group.state == "bad" and (again or not rules.reopens_no_other):
        after = set_job(after, FOLLOWER, state="waiting")
        after = after._replace(broken=RERUN) if now.unblocked else after
    return after


def _cancel(now, rules):
    after = now._replace(called_off=True)
    for job in range(FOLLOWER):
        if now.jobs[job].state in ("queued", "again"):
            after = set_job(after, job, state="cancelled")
            after = after._replace(to_tell=after.to_tell | {GROUPS[job]})
    if now.jobs[FOLLOWER].state in ("queued", "again") or (
        now.jobs[FOLLOWER].state == "waiting" and rules.cancel_reaches_waiting
    ):
        after = set_job(after, FOLLOWER, state="cancelled")
    return after
