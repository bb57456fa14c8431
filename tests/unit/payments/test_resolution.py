"""What to do about an operation without an answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from apps.payments.resolution import (
    OperationStatus,
    ResolutionRules,
    Step,
    next_step,
    seconds_to_next_step,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FRESH = OperationStatus(
    submitted_at=NOW,
    called_at=NOW,
    attempts=1,
    lookups=0,
    key_spent=False,
    provider_knows=False,
)


def test_the_same_key_is_used_while_it_is_honoured():
    """One minute before its end still, at its end no more."""
    life = ResolutionRules().key_life
    almost = replace(FRESH, submitted_at=NOW - life + timedelta(minutes=1))
    assert next_step(almost, NOW, ResolutionRules()) is Step.ASK
    assert (
        next_step(replace(FRESH, submitted_at=NOW - life), NOW, ResolutionRules()) is Step.LOOK_UP
    )


@pytest.mark.parametrize("field", ["key_spent", "provider_knows"])
def test_asking_again_is_useless_once_the_answer_can_only_repeat(field):
    """A saved failure, or an operation that the provider has unfinished, is looked up."""
    assert next_step(replace(FRESH, **{field: True}), NOW, ResolutionRules()) is Step.LOOK_UP


def test_a_human_is_asked_only_after_searches_had_time_to_catch_up():
    """Enough look-ups alone are not enough."""
    rules = ResolutionRules(max_lookups=4, lookup_settle=timedelta(minutes=2))
    looked = replace(FRESH, key_spent=True, lookups=4)
    assert next_step(looked, NOW, rules) is Step.LOOK_UP
    assert next_step(looked, NOW + timedelta(minutes=3), rules) is Step.REVIEW


@given(attempts=st.integers(0, 10**6), lookups=st.integers(0, 10**6))
def test_the_wait_is_bounded(attempts, lookups):
    """It never falls below half the base nor rises above the cap, however long it goes on."""
    status = replace(FRESH, attempts=attempts, lookups=lookups)
    assert 1.0 <= seconds_to_next_step(status, ResolutionRules(base=2.0, cap=600.0)) <= 600.0


@given(
    age=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)),
    lookups=st.integers(0, 100),
)
def test_no_key_is_used_after_its_life(age, lookups):
    """Whatever else is true: an expired key would be a new request."""
    status = replace(FRESH, submitted_at=NOW - age, called_at=NOW - age, lookups=lookups)
    step = next_step(status, NOW, ResolutionRules())
    assert step is not Step.ASK or age < timedelta(hours=23)
