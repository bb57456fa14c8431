"""When the demo lets things go wrong."""

import pytest

from sandbox.demo.options import Options, parse
from sandbox.demo.plan import Plan, PlannedFault


def test_acts_come_in_order_each_at_its_share():
    """One at a time, even when a look comes late."""
    happened = []

    def act(name):
        return lambda: happened.append(name) or True

    plan = Plan([PlannedFault(0.5, act("second")), PlannedFault(0.2, act("first"))])
    plan.follow(0.1)
    assert happened == []
    plan.follow(0.9)
    assert happened == ["first"]
    assert not plan.is_done
    plan.follow(0.9)
    plan.follow(1.0)
    assert happened == ["first", "second"]
    assert plan.is_done


def test_an_act_waits_for_its_moment():
    """It is asked again until it says that it happened."""
    answers = iter([False, True])
    plan = Plan([PlannedFault(0.2, lambda: next(answers))])
    plan.follow(0.3)
    assert not plan.is_done
    plan.follow(0.3)
    assert plan.is_done


def test_orders_and_seed_come_from_the_environment(monkeypatch):
    """As the contract names them; arguments win."""
    monkeypatch.setenv("ORDERS", "40")
    monkeypatch.setenv("SEED", "7")
    assert (parse([]).orders, parse([]).seed) == (40, 7)
    assert parse(["--orders", "9"]).orders == 9


@pytest.mark.parametrize("arguments", [["--orders", "0"], ["--orders", "x"], ["--workers", "1"]])
def test_a_demo_without_orders_or_with_nobody_to_replace_is_refused(arguments, capsys):
    """The message names the value."""
    with pytest.raises(SystemExit):
        parse(arguments)
    assert "whole number" in capsys.readouterr().err


def test_the_environment_overrides_a_fault():
    """For the audit's own test, and for the curious."""
    env = Options(seed=3).environment({"GATEWAY_DROP_RATE": "0.5"})
    assert env["GATEWAY_DROP_RATE"] == "0.5"
    assert env["GATEWAY_ERROR_RATE"] == "0.03"
    assert env["SEED"] == "3"


def test_a_small_demo_and_a_big_one_both_take_a_bearable_time():
    """Seconds of ordering."""
    assert [Options(orders=n).ordering_seconds for n in (1, 500, 100_000)] == [10.0, 25.0, 60.0]
