"""Duties keep to their interval and their share, and a rescuer to its own contact."""

import pytest

from celeriac.jobs.dispatching.periodic import PeriodicStep
from celeriac.jobs.dispatching.rescue import DatabaseContact


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        """Begin at 100."""
        self.now = 100.0

    def __call__(self):
        """Return the time."""
        return self.now


@pytest.fixture
def clock():
    """Return a clock."""
    return Clock()


def runs(clock, duty, log, seconds, step=0.1):
    """Offer the periodic step every `step` seconds; return how often it ran."""
    log.clear()
    end = clock.now + seconds
    while clock.now < end:
        duty.perform(clock)
        clock.now += step
    return len(log)


def test_a_duty_runs_once_an_interval(clock):
    """Cheap ones."""
    log = []
    duty = PeriodicStep(lambda: log.append(1), interval=1.0)
    assert runs(clock, duty, log, 10) == pytest.approx(10, abs=1)


def test_a_costly_duty_keeps_within_its_share_of_the_time(clock):
    """Half a second each, of which 5 % fit."""
    log = []

    def costly():
        log.append(1)
        clock.now += 0.5

    duty = PeriodicStep(costly, interval=1.0, share=0.05)
    assert runs(clock, duty, log, 100) == pytest.approx(10, abs=1)


def test_a_duty_with_more_to_do_is_due_at_once_within_its_share(clock):
    """Slices of 10 ms at a fifth of the time."""
    log = []

    def slices():
        log.append(1)
        clock.now += 0.01
        return True

    duty = PeriodicStep(slices, interval=5.0, share=0.2)
    assert runs(clock, duty, log, 10, step=0.01) > 100


def test_a_duty_that_fails_waits_for_its_interval(clock):
    """One bad periodic step does not stop the others."""
    log = []

    def fails():
        log.append(1)
        raise RuntimeError

    duty = PeriodicStep(fails, interval=1.0)
    with pytest.raises(RuntimeError):
        duty.perform(clock)
    duty.perform(clock)
    assert len(log) == 1


def test_a_hastened_duty_is_due():
    """Some news can't wait."""
    log = []
    duty = PeriodicStep(lambda: log.append(1), interval=1000.0)
    duty.perform(lambda: 1.0)
    duty.perform(lambda: 2.0)
    duty.hasten()
    duty.perform(lambda: 3.0)
    assert len(log) == 2


def test_contact_counts_from_the_last_break():
    """An error, or a silence of its own."""
    contact = DatabaseContact(longest_gap=5.0)
    assert contact.lasts(0.0) == 0.0
    for now in range(10, 40, 2):
        contact.touch(now)
    assert contact.lasts(38.0) == 28.0
    contact.touch(44.0)
    assert contact.lasts(44.0) == 0.0
    contact.touch(46.0)
    assert contact.lasts(46.0) == 2.0
    contact.lose()
    assert contact.lasts(47.0) == 0.0
