"""What an outage may cost, by arithmetic alone."""

import pytest

from celeriac.breakers.options import Options
from sandbox.demo.outage import few_calls, most_calls


@pytest.mark.parametrize(
    ("seconds", "most"),
    [(4, 10 + 4), (10, 10 + 4 + 1), (30, 10 + 4 + 2), (40, 10 + 4 + 3)],
)
def test_an_outage_meets_the_trip_those_in_flight_and_a_probe_a_cooldown(seconds, most):
    """Whatever had succeeded before: with two workers of two children."""
    assert most_calls(Options(), slots=4, seconds=seconds) == most


def test_more_calls_than_that_are_a_finding():
    """And the answer names both numbers."""
    assert few_calls(15, 15).passed
    assert few_calls(15, 15).found == "15 of at most 15"
    assert not few_calls(16, 15).passed
