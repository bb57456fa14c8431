"""The soft limit in a thread."""

import threading
import time

import pytest

from celeriac.jobs.outcomes import TimeLimitExceeded
from celeriac.jobs.running.soft_limit import call_within
from tests.support.threads import threads


def within(seconds, function):
    """Call the function in a thread, within a soft limit; return what came of it."""
    with threads(1) as start:
        return start(call_within, seconds, function).result(30)


def spin():
    """Work for ever."""
    while True:
        time.sleep(0.01)


def test_it_strikes_at_the_next_step_with_the_words_of_any_limit():
    """Neither sooner nor in another thread."""
    began = time.monotonic()
    with pytest.raises(TimeLimitExceeded, match=r"ran past its soft limit of 0\.2 s"):
        within(0.2, spin)
    assert time.monotonic() - began >= 0.2


def test_it_lets_a_wait_end_first():
    """What a wait is worth can't be known here."""
    seen = []
    with pytest.raises(TimeLimitExceeded):
        within(0.1, lambda: (time.sleep(0.3), seen.append("awake"), spin()))
    assert seen in ([], ["awake"])


def test_a_handler_that_ends_in_time_is_left_alone():
    """So is what its thread does next."""

    def twice():
        first = call_within(0.1, lambda: "done")
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            pass
        return first

    with threads(1) as start:
        assert start(twice).result(30) == "done"


def test_each_thread_has_a_limit_of_its_own():
    """The one that is due first strikes first, whenever it was set."""
    ended = []

    def run(seconds):
        try:
            call_within(seconds, spin)
        except TimeLimitExceeded:
            ended.append(seconds)

    several = [threading.Thread(target=run, args=[each]) for each in (0.6, 0.2, 0.4)]
    for each in several:
        each.start()
    for each in several:
        each.join(30)
    assert ended == [0.2, 0.4, 0.6]
