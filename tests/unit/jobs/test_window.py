"""How much is rung, and when again."""

import pytest

from celeriac.jobs.dispatching.window import (
    AGAIN_LATEST,
    AGAIN_SOONEST,
    Budget,
    doorbell_size,
    ring_again_after,
)


def budget(window=1.5, slots=4, ahead=0.0, free=4):
    """Return a room whose free slots are given."""
    return Budget(window=window, slots=slots, ahead=ahead, free=lambda: free)


def taken(budget, estimate, most=1000):
    """Return how many jobs fit."""
    return next(count for count in range(most) if not budget.take(estimate))


@pytest.mark.parametrize(
    ("estimate", "backlog", "slots", "size"),
    [
        (None, 1000, 2, 1),
        (0.001, 1, 4, 1),
        (0.001, 8, 4, 2),
        (0.001, 10_000, 4, 75),
        (0.010, 10_000, 4, 7),
        (1.0, 10_000, 4, 1),
        (0.0, 10_000, 4, 300),
        (0.001, 10, 0, 10),
    ],
)
def test_a_doorbell_carries_75_ms_of_work_once_every_slot_has_one(estimate, backlog, slots, size):
    """Unknown kinds ring alone, an idle system rings at once, a backlog fills doorbells."""
    assert doorbell_size(estimate, backlog, slots) == size


@pytest.mark.parametrize(
    ("estimate", "backlog", "slots", "size"),
    [(None, 1000, 20, 1), (0.3, 3, 20, 3), (0.3, 3, 40, 2), (0.3, 1000, 20, 5), (10.0, 99, 20, 1)],
)
def test_a_process_with_many_slots_is_rung_for_many_at_once(estimate, backlog, slots, size):
    """They start together: 75 ms of its work are twenty times as many."""
    assert doorbell_size(estimate, backlog, slots, width=20) == size


def test_short_jobs_fill_the_window():
    """1.5 s for each of 4 slots, at 10 ms."""
    assert taken(budget(free=0), 0.01) == pytest.approx(600, abs=1)


def test_work_that_waits_already_takes_room():
    """Half is left."""
    assert taken(budget(ahead=3.0, free=0), 0.01) == pytest.approx(300, abs=1)


def test_long_jobs_take_free_slots_only():
    """Later urgent jobs find no queue of long ones in the broker."""
    assert taken(budget(free=3), 30.0) == 3
    assert taken(budget(free=0), 30.0) == 0
    assert taken(budget(free=-5), 30.0) == 0


def test_kinds_that_nobody_timed_get_two_jobs_a_slot():
    """Until a worker says how long they take."""
    assert taken(budget(free=0), None) == 8


def test_free_slots_are_asked_for_only_when_they_matter():
    """The question costs a query."""

    def asked():
        raise AssertionError("asked")

    short = Budget(window=1.5, slots=4, ahead=0.0, free=asked)
    assert short.take(0.01)


def test_a_full_window_is_not_worth_reading_the_queue_for():
    """But a free slot is."""
    assert not budget(ahead=5.9, free=0).is_worth_a_scan
    assert budget(ahead=5.9, free=1).is_worth_a_scan
    assert budget(ahead=5.0, free=0).is_worth_a_scan


def test_a_scan_reads_about_what_fits():
    """Jobs of 100 ms: 60 fit, and one more a slot is looked at."""
    assert budget().ids(0.1, most=1000) == pytest.approx(64, abs=1)
    assert budget().ids(0.001, most=1000) == 1000
    assert budget(ahead=100).ids(0.1, most=1000) == 8
    assert budget().ids(None, most=1000) == 128


def test_jobs_ring_again_after_three_times_what_their_queue_should_need():
    """Never before 5 s, never after 60 s, twice as long each time."""
    assert ring_again_after(0.1, 4, 1) == AGAIN_SOONEST
    assert ring_again_after(20.0, 4, 1) == 15.0
    assert ring_again_after(20.0, 4, 2) == 30.0
    assert ring_again_after(1000.0, 4, 1) == AGAIN_LATEST
    assert ring_again_after(0.1, 0, 99) == AGAIN_LATEST
