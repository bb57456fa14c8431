"""Places behind a circuit."""

from hypothesis import given, strategies as st

from celeriac.jobs.dispatching.pace import Pace


def test_one_may_go_at_once_and_the_next_when_its_place_has_come():
    """Ten a second: a tenth of a second apart."""
    pace = Pace(burst=0.1)
    pace.fill(0.0, 10)
    assert pace.has_place
    pace.take()
    pace.fill(0.09, 10)
    assert not pace.has_place
    pace.fill(0.101, 10)
    assert pace.has_place


def test_places_do_not_pile_up_while_nobody_comes():
    """An hour later it is a burst's worth."""
    pace = Pace(burst=0.1)
    pace.fill(0.0, 100)
    pace.fill(3600.0, 100)
    assert pace.places == 10


def test_a_rate_of_none_takes_every_place_away():
    """The probe is under way."""
    pace = Pace(burst=0.1)
    pace.fill(0.0, 0.0)
    assert not pace.has_place


@given(
    st.floats(1, 500),
    st.lists(st.floats(0, 0.5), min_size=1, max_size=60),
)
def test_no_more_go_than_the_rate_allows(rate, pauses):
    """Whenever rounds come: rate times time, and a burst."""
    pace, now, gone = Pace(burst=0.1), 0.0, 0
    for pause in pauses:
        now += pause
        pace.fill(now, rate)
        while pace.has_place:
            pace.take()
            gone += 1
    assert gone <= rate * now + max(1.0, rate * 0.1) + 1
