"""How a group is closed: a dispatcher's steps; see flows.py."""

from tests.model.flows_world import (
    CALLED_OFF,
    CLOSED,
    DESIGN,
    EARLY,
    FOLLOWER,
    ORACLE,
    SWEPT,
    TWICE,
    A,
    B,
    Closing,
    Step,
    ended,
    follower_is_held,
    is_held,
    is_shared,
    put,
    set_job,
    spend,
    verdict,
)


def dispatches(now, index, model):
    """Yield what a dispatcher may do next."""
    closing = now.busy[index]
    if closing is None:
        for group in (A, B):
            yield from _look(now, index, group, model)
        return
    yield from _steps(now, index, closing, model)
    if (crashed := spend(now, "crash")) is not None:
        crashed = _free(crashed, index)._replace(lossless=False)
        crashed = crashed._replace(heard=put(crashed.heard, index, frozenset()))
        yield f"dispatcher {index} dies", crashed, False


def _look(now, index, group, model):
    """Take up a group that was named, or that the sweep finds."""
    heard = group in now.heard[index]
    if not heard and not (model.rules.sweeps and _finds(now, group, model.rules)):
        return
    after = now._replace(heard=put(now.heard, index, now.heard[index] - {group}))
    if now.groups[group].state != "open" or not ended(now, group, model.rules):
        yield f"dispatcher {index} sees nothing to do for {'AB'[group]}", after, True
        return
    others = [each for place, each in enumerate(now.busy) if place != index and each]
    quiet = not heard and now.lossless and not any(group in each for each in now.heard)
    by_sweep = quiet and group not in now.to_tell and not any(o.group == group for o in others)
    other = now.groups[1 - group].state
    closing = Closing(group, Step.LOOKED, verdict(now, group), other, by_sweep)
    yield (
        f"dispatcher {index} sees that {'AB'[group]} has ended",
        after._replace(busy=put(after.busy, index, closing)),
        True,
    )


def _finds(now, group, rules):
    return now.groups[group].state == "open" and ended(now, group, rules)


def _free(now, index):
    return now._replace(busy=put(now.busy, index, None))


def _to(now, index, closing, **change):
    return now._replace(busy=put(now.busy, index, closing._replace(**change)))


def _steps(now, index, closing, model):
    rules, group = model.rules, closing.group
    name, which = f"dispatcher {index}", "AB"[group]
    match closing.step:
        case Step.LOOKED:
            yield from _lock(now, index, closing, rules)
        case Step.LOCKED:
            yield f"{name} looks at {which} again", _seen(now, index, closing, rules), True
        case Step.VAIN:
            yield f"{name} leaves {which}", _free(now, index), True
        case Step.SEEN if not (rules.locks_follower and follower_is_held(now, but=index)):
            other = closing.other if not rules.locks_follower else now.groups[1 - group].state
            both = _to(now, index, closing, step=Step.BOTH, other=other)
            yield f"{name} locks what follows {which}", both, True
        case Step.BOTH:
            yield f"{name} closes {which}", _close(now, index, closing, model), True
        case Step.SPLIT:
            yield f"{name} unblocks", _unblock(_free(now, index), closing, model), True


def _lock(now, index, closing, rules):
    group = closing.group
    shared = group == A and is_shared(now) and rules.adding_locks_group
    if not is_held(now, group, but=index) and not shared:
        locked = _to(now, index, closing, step=Step.LOCKED)
        yield f"dispatcher {index} locks {'AB'[group]}", locked, True


def _seen(now, index, closing, rules):
    group = closing.group
    other = now.groups[1 - group].state
    if not rules.looks_locked:
        return _to(now, index, closing, step=Step.SEEN, other=other)
    is_open = now.groups[group].state == "open" or not rules.sets_if_open
    if not is_open or not ended(now, group, rules):
        return _to(now, index, closing, step=Step.VAIN)
    return _to(now, index, closing, step=Step.SEEN, view=verdict(now, group), other=other)


def _close(now, index, closing, model):
    group, row = closing.group, now.groups[closing.group]
    if model.rules.sets_if_open and row.state != "open":
        return _free(now, index)
    after = now._replace(groups=put(now.groups, group, row._replace(state=closing.view)))
    if not ended(now, group, DESIGN):
        return after._replace(broken=CLOSED)
    if closing.by_sweep:
        return after._replace(broken=SWEPT)
    if (mark := (group, row.generation)) in now.closed:
        return after._replace(broken=TWICE)
    after = after._replace(closed=(*now.closed, mark))
    if not model.rules.one_commit:
        return _to(after, index, closing, step=Step.SPLIT)
    return _unblock(_free(after, index), closing, model)


def _unblock(now, closing, model):
    """What waits for both is unblocked once both are closed, or cancelled once it can't be."""
    states = put((now.groups[A].state, now.groups[B].state), 1 - closing.group, closing.other)
    follower = now.jobs[FOLLOWER].state
    if model.rules.unblocks_waiting and follower != "waiting":
        return now
    if "bad" in states and not model.goes_on:
        return set_job(now, FOLLOWER, state="cancelled")
    if "open" in states:
        return now
    after = set_job(now, FOLLOWER, state="queued")
    generation = sum(group.generation for group in now.groups)
    after = after._replace(unblocked=(*now.unblocked, generation))
    if now.called_off:
        return after._replace(broken=CALLED_OFF)
    if not all(ended(now, group, DESIGN) for group in (A, B)):
        return after._replace(broken=EARLY)
    if any(group.state == "bad" for group in now.groups) and not model.goes_on:
        return after._replace(broken=ORACLE)
    return after._replace(broken=TWICE) if generation in now.unblocked else after
