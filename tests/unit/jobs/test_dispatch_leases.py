"""Which queues a dispatcher takes."""

from uuid import UUID

from hypothesis import given, strategies as st

from celeriac.jobs.dispatching.leases import to_take

ME, A, B, C = (UUID(int=number) for number in range(1, 5))


def after(holders, me=ME):
    """Return the holders after one turn of `me`."""
    return {**holders, **dict.fromkeys(to_take(me, holders), me)}


def counts(holders):
    """Return how many queues each holds, sorted."""
    held = list(holders.values())
    return sorted(held.count(holder) for holder in set(held))


def test_the_first_takes_everything():
    """In one turn."""
    assert set(after(dict.fromkeys("abcd")).values()) == {ME}


def test_a_newcomer_takes_a_fair_share():
    """Half of four."""
    assert counts(after(dict.fromkeys("abcd", A))) == [2, 2]


def test_a_fair_division_stays_as_it_is():
    """One more than another is fair."""
    assert to_take(ME, {"a": ME, "b": A, "c": A}) == {}
    assert to_take(ME, {"a": A}) == {}


def test_a_dead_holders_queues_are_shared():
    """Each takes up to its share of what is free."""
    holders = {**dict.fromkeys("abcdef"), "g": A, "h": ME}
    taken = after(holders)
    assert counts({queue: holder for queue, holder in taken.items() if holder}) == [1, 4]


def test_nobody_waits_for_a_dispatcher_that_does_not_come():
    """Somebody at its share takes one free queue a turn."""
    assert to_take(ME, {"a": ME, "b": ME, "c": None, "d": A}) == {"c": None}


@given(
    st.lists(st.sampled_from([None, ME, A, B, C]), min_size=1, max_size=25),
    st.randoms(use_true_random=False),
)
def test_turns_end_in_a_fair_division_that_nothing_moves(held, random):
    """Whatever the beginning and the order of turns."""
    holders = {f"queue{number}": holder for number, holder in enumerate(held)}
    dispatchers = [ME, A, B, C]
    for _ in range(40):
        random.shuffle(dispatchers)
        for each in dispatchers:
            holders = after(holders, each)
    assert None not in holders.values()
    each = [list(holders.values()).count(one) for one in (ME, A, B, C)]
    assert max(each) - min(each) <= 1
    assert all(to_take(one, holders) == {} for one in dispatchers)
