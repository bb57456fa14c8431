"""Places behind a circuit."""

from hypothesis import given, strategies as st

from celeriac.jobs.dispatching.token_bucket import TokenBucket


def test_one_may_go_at_once_and_the_next_when_its_place_has_come():
    """Ten a second: a tenth of a second apart."""
    bucket = TokenBucket(burst=0.1)
    bucket.fill(0.0, 10)
    assert bucket.has_token
    bucket.take()
    bucket.fill(0.09, 10)
    assert not bucket.has_token
    bucket.fill(0.101, 10)
    assert bucket.has_token


def test_places_do_not_pile_up_while_nobody_comes():
    """An hour later it is a burst's worth."""
    bucket = TokenBucket(burst=0.1)
    bucket.fill(0.0, 100)
    bucket.fill(3600.0, 100)
    assert bucket.tokens == 10


def test_a_rate_of_none_takes_every_place_away():
    """The probe is under way."""
    bucket = TokenBucket(burst=0.1)
    bucket.fill(0.0, 0.0)
    assert not bucket.has_token


@given(
    st.floats(1, 500),
    st.lists(st.floats(0, 0.5), min_size=1, max_size=60),
)
def test_no_more_go_than_the_rate_allows(rate, pauses):
    """Whenever rounds come: rate times time, and a burst."""
    bucket, now, gone = TokenBucket(burst=0.1), 0.0, 0
    for pause in pauses:
        now += pause
        bucket.fill(now, rate)
        while bucket.has_token:
            bucket.take()
            gone += 1
    assert gone <= rate * now + max(1.0, rate * 0.1) + 1
