"""What a breaker may be told."""

import pickle
from dataclasses import fields

import pytest

from celeriac.breakers import options as options_module
from celeriac.breakers.checks import check_options
from celeriac.breakers.errors import CircuitOpen, InvalidOptions, UnknownBreaker
from celeriac.breakers.options import TUNABLE, Options


@pytest.mark.parametrize(
    "given",
    [
        {"window": 0},
        {"window": -1},
        {"buckets": 0},
        {"buckets": 1.5},
        {"failure_rate": 0},
        {"failure_rate": 1.1},
        {"min_volume": True},
        {"cooldown": "5"},
        {"cooldown": 400},
        {"cooldown_growth": 0.5},
        {"permit": float("nan")},
        {"ramp": 0},
        {"window_calls": 0},
        {"window_calls": 1001},
        {"window_calls": 1.5},
    ],
)
def test_what_can_not_mean_anything_is_refused(given):
    """The message names the option or its rule."""
    with pytest.raises(InvalidOptions):
        Options(**given)


def test_a_volume_that_the_window_never_holds_is_refused():
    """It would never be reached; the message says what to raise."""
    with pytest.raises(InvalidOptions, match="Raise window_calls"):
        Options(min_volume=101)
    assert Options(min_volume=101, window_calls=101).min_volume == 101


def test_an_unknown_option_is_answered_with_what_was_meant(settings):
    """In settings as at run time."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": {"failure_rates": 0.5}}}
    with pytest.raises(InvalidOptions, match="'failure_rate'"):
        options_module.breaker_options("gate")


def test_an_unknown_breaker_is_answered_with_what_was_meant(settings):
    """Or with where to declare it."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"payments": {}}}
    with pytest.raises(UnknownBreaker, match="'payments'"):
        options_module.breaker_options("payment")
    with pytest.raises(UnknownBreaker, match=r"CELERIAC.*BREAKERS"):
        options_module.breaker_options("xyz")


def test_every_number_can_be_tuned():
    """Only the judge is code."""
    assert {f.name for f in fields(Options)} - TUNABLE == {"provider_fault"}


def test_the_judge_can_not_be_tuned():
    """What an operator types is never imported."""
    with pytest.raises(InvalidOptions):
        Options().using({"provider_fault": "os.system"})


def test_the_ramp_grows_by_the_second():
    """Then it is over."""
    ramp = Options(ramp=10, ramp_growth=1.5, ramp_seconds=3)
    assert [ramp.ramp_rate(t) for t in (-1, 0, 0.9, 1, 2.5, 3)] == [None, 10, 10, 15, 22.5, None]


def test_a_ramp_can_be_switched_off():
    """With no seconds."""
    assert Options(ramp_seconds=0).ramp_rate(0) is None


def test_the_declared_breakers_are_valid():
    """Those that this deployment ships with."""
    for name in options_module.declared_breakers():
        assert options_module.breaker_options(name).window > 0


def test_the_system_check_finds_what_does_not_fit(settings):
    """Before the first call."""
    assert check_options() == []
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {
            "gate": {"window": 0},
            "mail": {"provider_fault": "no.such.thing"},
            "ok": {},
            "psp": {"min_volum": 3},
        },
    }
    found = check_options()
    assert [error.id for error in found] == ["celeriac_breakers.E001"] * 3
    assert "window" in found[0].msg
    assert found[2].msg.count("psp") == 1, "said once"


def test_circuit_open_travels_between_processes():
    """As an exception of a job does."""
    error = pickle.loads(pickle.dumps(CircuitOpen(name="gate", retry_after=4.0)))  # noqa: S301 ours
    assert (error.name, error.retry_after) == ("gate", 4.0)
    assert error.until is not None
