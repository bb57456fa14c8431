"""What an error says about the provider."""

from types import SimpleNamespace

import pytest
from freezegun import freeze_time

from celeriac.breakers.classify import judge_error, judge_from
from celeriac.breakers.errors import CircuitOpen, InvalidOptions
from celeriac.breakers.replies import CallResult


def failure(**facts):
    """Return an error that bears the facts."""
    error = RuntimeError("from the provider")
    for name, value in facts.items():
        setattr(error, name, value)
    return error


def found(error, setting=None):
    """Return the finding for an error."""
    return judge_error(error, judge_from(setting)).finding


@pytest.mark.parametrize(
    ("facts", "finding"),
    [
        ({"status_code": 400}, CallResult.OK),
        ({"http_status": 402}, CallResult.OK),
        ({"code": 404}, CallResult.OK),
        ({"http_status": 409}, CallResult.OK),
        ({"status_code": 408}, CallResult.FAULT),
        ({"status_code": 429}, CallResult.FAULT),
        ({"status": 500}, CallResult.FAULT),
        ({"response": SimpleNamespace(status_code=503)}, CallResult.FAULT),
        ({"response": SimpleNamespace(status_code=422)}, CallResult.OK),
        ({"code": "card_declined", "http_status": 402}, CallResult.OK),
        ({"http_status": None}, CallResult.FAULT),
        ({}, CallResult.FAULT),
    ],
)
def test_the_status_decides_where_there_is_one(facts, finding):
    """4xx are answers; 5xx, 429, 408 and silence are faults."""
    assert found(failure(**facts)) is finding


def test_a_call_that_returned_is_a_success():
    """Nothing was raised."""
    assert found(None) is CallResult.OK


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), GeneratorExit()])
def test_the_end_of_a_process_is_no_verdict(error):
    """It was not the provider who ended it."""
    assert found(error) is CallResult.NOTHING


def test_another_open_circuit_inside_is_no_verdict():
    """Nothing was sent."""
    assert found(CircuitOpen(name="other")) is CallResult.NOTHING


def test_celerys_time_limit_is_a_slow_fault():
    """It is known by name; nobody imports Celery here."""
    from billiard.exceptions import SoftTimeLimitExceeded

    judgement = judge_error(SoftTimeLimitExceeded(), judge_from(None))
    assert (judgement.finding, judgement.slow) == (CallResult.FAULT, True)


def test_the_ledgers_time_limit_is_a_slow_fault():
    """The name that breakers look for is the one that the ledger raises."""
    from celeriac.jobs.outcomes import TimeLimitExceeded

    judgement = judge_error(TimeLimitExceeded(), judge_from(None))
    assert (judgement.finding, judgement.slow) == (CallResult.FAULT, True)


@pytest.mark.parametrize(
    ("facts", "seconds"),
    [
        ({"retry_after": 7}, 7),
        ({"retry_after": "7.5"}, 7.5),
        ({"headers": {"Retry-After": "9"}, "status_code": 503}, 9),
        ({"response": SimpleNamespace(status_code=429, headers={"retry-after": "3"})}, 3),
        ({"headers": {"Retry-After": "Thu, 01 Jan 2026 00:01:00 GMT"}}, 60),
        ({"headers": {"Retry-After": "soon"}}, 0),
        ({"headers": {"Retry-After": "Mon, 01 Jan 99999 00:00:00 GMT"}}, 0),
        ({"retry_after": float("inf")}, 0),
        ({"retry_after": -5}, 0),
        ({"headers": None}, 0),
        ({"headers": {"Retry-After": "9"}, "status_code": 402}, 0),
    ],
)
@freeze_time("2026-01-01")
def test_the_provider_says_how_long_to_leave_it_alone(facts, seconds):
    """As an attribute or a header, in seconds or as a date."""
    assert judge_error(failure(**facts), judge_from(None)).open_for == seconds


def test_exceptions_can_be_listed_by_path():
    """So that settings import nothing."""
    setting = ["builtins.ConnectionError", TimeoutError]
    assert found(ConnectionResetError(), setting) is CallResult.FAULT
    assert found(TimeoutError(), setting) is CallResult.FAULT
    assert found(ValueError(), setting) is CallResult.OK


def test_a_callable_may_withhold_its_verdict():
    """None means: says nothing about the provider."""
    assert found(ValueError(), lambda error: None) is CallResult.NOTHING


@pytest.mark.parametrize("setting", ["no.such.thing", 7, ["builtins.int"]])
def test_a_setting_that_is_no_judge_is_refused(setting):
    """When the breaker is made, not when it is needed."""
    with pytest.raises(InvalidOptions):
        judge_from(setting)
