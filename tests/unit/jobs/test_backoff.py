"""How long to wait before the next run."""

import pytest
from hypothesis import given, strategies as st

from celeriac.jobs.backoff import Backoff


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 2), (2, 4), (3, 8), (9, 512), (10, 600), (5000, 600)]
)
def test_the_top_of_the_wait_doubles_up_to_the_cap(failures, seconds):
    """With the highest draw."""
    assert Backoff(base=2, cap=600).delay(failures, draw=lambda: 1.0) == seconds


@given(st.integers(1, 10_000), st.floats(0, 1), st.none() | st.floats(0, 1e6))
def test_the_wait_lies_within_its_bounds(failures, draw, retry_after):
    """Between floor and cap, whatever the draw and the server's wish."""
    backoff = Backoff(base=3, cap=100, floor=5)
    wait = backoff.delay(failures, retry_after=retry_after, draw=lambda: draw)
    assert 5 <= wait <= 100
    assert retry_after is None or wait >= min(retry_after, 100)


def test_the_jitter_is_full():
    """Waits differ, from near nothing to near the top."""
    waits = [Backoff(base=10, cap=10).delay(1) for _ in range(500)]
    assert min(waits) < 2
    assert max(waits) > 8


@pytest.mark.parametrize(
    ("policy", "error", "retries"),
    [
        ({}, ValueError(), True),
        ({"give_up_on": (LookupError,)}, KeyError(), False),
        ({"give_up_on": (LookupError,)}, ValueError(), True),
        ({"retry_on": (OSError,)}, TimeoutError(), True),
        ({"retry_on": (OSError,)}, ValueError(), False),
        ({"retry_on": (OSError,), "give_up_on": (TimeoutError,)}, TimeoutError(), False),
    ],
)
def test_errors_are_classified(policy, error, retries):
    """Giving up is stronger than retrying."""
    assert Backoff(**policy).retries(error) is retries


@pytest.mark.parametrize(
    "policy",
    [
        {"max_attempts": 0},
        {"base": -1},
        {"cap": -1},
        {"floor": -0.1},
        {"cap": float("inf")},
        {"base": float("nan")},
        {"floor": 1e300},
    ],
)
def test_numbers_that_mean_nothing_are_refused(policy):
    """When the kind is declared."""
    with pytest.raises(ValueError, match="give"):
        Backoff(**policy)
