"""What operators do, and what the ledger reads."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from apps.accounts.models import User
from celeriac.breakers import services, sql, testing
from celeriac.breakers.api import (
    BreakerError,
    CircuitOpen,
    InvalidOptions,
    breaker_statuses,
    circuit_allowances,
)
from celeriac.breakers.models import Breaker, Transition
from celeriac.breakers.ramp import take_ramp_slot
from celeriac.core import clock
from celeriac.core.arguments import login_name
from celeriac.core.models import Audit
from tests.integration.breakers.support import (
    QUICK,
    as_another_process,
    call,
    fail,
    row,
    trip,
    wait_until_written,
)
from tests.support.processes import wait_until

LONG = timedelta(hours=1)


def blocked():
    """Return the names that BLOCKED yields."""
    with connection.cursor() as cursor:
        cursor.execute(sql.BLOCKED)
        return [name for (name,) in cursor.fetchall()]


def test_forced_open_lets_nothing_through_anywhere():
    """In this process and in others, with the reason on record."""
    user = User.objects.create_user("ada@example.com")
    services.force_open("gate", actor=user, reason="maintenance window")
    with pytest.raises(CircuitOpen) as caught:
        call("gate")
    assert caught.value.until is None
    assert caught.value.retry_after > 0
    as_another_process()
    with pytest.raises(CircuitOpen):
        call("gate")
    audit = Audit.objects.get(verb="breaker.force_open")
    assert (audit.actor, audit.target_id, audit.reason) == (user, "gate", "maintenance window")
    move = Transition.objects.get(breaker_id="gate")
    assert (move.from_state, move.to_state) == ("closed", "forced open")
    assert move.by == "ada@example.com"


def test_forced_open_ends_by_itself():
    """At the moment that was given."""
    until = clock.db_now() + timedelta(seconds=0.5)
    services.force_open("gate", actor="ada", reason="a moment", until=until)
    with pytest.raises(CircuitOpen) as caught:
        call("gate")
    assert 0 < caught.value.retry_after <= 0.5
    wait_until(lambda: "gate" not in blocked())
    wait_until(lambda: goes("gate"))


def test_a_force_that_has_ended_is_not_in_the_books_of_the_next():
    """Its row still bears it; the trail and the history say what held."""
    services.force_open("gate", actor="ada", reason="a moment", until=clock.db_now() + LONG)
    with clock.offset_clock(2 * LONG):
        services.force_open("gate", actor="bob", reason="again")
    assert Audit.objects.latest("at").details["from"] == "closed"
    assert Transition.objects.latest("at").from_state == "closed"


def test_forced_closed_lets_everything_through():
    """Whatever it finds."""
    trip("gate")
    services.force_closed("gate", actor="ada", reason="the provider's status page lies")
    fail("gate", times=20)
    call("gate")
    assert blocked() == []


def test_a_force_needs_a_reason_and_an_end_ahead():
    """The audit trail must say why."""
    with pytest.raises(BreakerError, match="why"):
        services.force_open("gate", actor="ada", reason=" ")
    with pytest.raises(BreakerError, match="past"):
        services.force_open("gate", reason="late", until=clock.db_now() - timedelta(1))


def test_a_force_that_is_rolled_back_never_was():
    """It joins the caller's transaction."""
    with transaction.atomic():
        services.force_open("gate", actor="ada", reason="oops")
        transaction.set_rollback(True)
    call("gate")


def test_clearing_ends_a_force():
    """And says so."""
    services.force_open("gate", actor="ada", reason="maintenance")
    services.clear("gate", actor="ada", reason="done")
    call("gate")
    assert row("gate").forced == ""
    assert Audit.objects.filter(verb="breaker.clear", reason="done").count() == 1
    assert circuit_allowances(["gate"])["gate"].ramp_per_second is not None


def test_clearing_an_open_circuit_sends_a_probe_at_once():
    """The cooldown is forgotten, the caution is not."""
    trip("gate")
    services.clear("gate", actor="ada")
    wait_until_written()
    assert row("gate").state == "half_open"
    call("gate")
    wait_until_written()
    assert row("gate").state == "closed"
    call("gate")


def test_options_are_tuned_at_run_time_for_every_process():
    """With the next call of each."""
    services.tune("gate", options={"min_volume": 20}, actor="ada", reason="noisy")
    as_another_process()
    fail("gate", times=19)
    call("gate")
    with pytest.raises(CircuitOpen):
        call("gate")
    wait_until_written()
    assert Transition.objects.get(breaker_id="gate").calls == 20


def test_options_are_tuned_for_a_process_that_is_already_running():
    """It notices with its next call."""
    call("gate")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE celeriac_breakers_breaker SET edit = edit + 1, overrides = %s "
            "WHERE name = 'gate'",
            ['{"min_volume": 6}'],
        )
        assert cursor.rowcount == 1
    from celeriac.breakers import registry

    storage = registry.get_breaker("gate").storage
    # One look at the database is bounded: on a busy machine it may come back with nothing.
    wait_until(lambda: storage.sync() and storage.options.min_volume == 6)


def test_options_that_do_not_fit_are_refused():
    """With the option that was probably meant."""
    with pytest.raises(InvalidOptions, match="min_volume"):
        services.tune("gate", options={"min_volumes": 3})
    with pytest.raises(InvalidOptions, match="share"):
        services.tune("gate", options={"failure_rate": 7})


def test_the_ledger_sees_an_open_circuit():
    """As SQL and as a selector."""
    assert blocked() == []
    trip("gate")
    wait_until_written()
    assert blocked() == ["gate"]
    held = circuit_allowances(["gate"])["gate"]
    assert held.blocked
    assert held.blocked_until == row("gate").open_until


def test_the_ledger_sees_a_forced_circuit():
    """Without an end there is no moment to name."""
    services.force_open("gate", actor="ada", reason="maintenance")
    assert blocked() == ["gate"]
    assert circuit_allowances(["gate"])["gate"].blocked
    assert circuit_allowances(["gate"])["gate"].blocked_until is None


def test_the_ledger_sends_one_probe_when_the_cooldown_is_over(settings):
    """And nobody is blocked by SQL then."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": QUICK | {"cooldown": 0.05}}}
    trip("gate")
    wait_until_written()
    wait_until(lambda: not blocked())
    assert circuit_allowances(["gate"])["gate"].probe_only


def test_the_ramp_grows_and_ends(settings):
    """By the database's clock, from the moment of closing."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {"gate": QUICK | {"ramp": 8, "ramp_growth": 2, "ramp_seconds": 3}},
    }
    Breaker.objects.filter(name="gate").delete()
    Breaker.objects.create(name="gate", state="closed", closed_at=clock.db_now())
    rates = []
    for seconds in (0, 1.5, 2.5, 3.5):
        with clock.offset_clock(timedelta(seconds=seconds)):
            rates.append(circuit_allowances(["gate"])["gate"].ramp_per_second)
    assert rates == [8, 16, 32, None]


def test_claims_pass_the_ramp_one_by_one(settings):
    """The place is taken in the database."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {"gate": QUICK | {"ramp": 0.01, "ramp_growth": 1, "ramp_seconds": 600}},
    }
    assert take_ramp_slot("gate") == 0.0
    Breaker.objects.filter(name="gate").delete()
    Breaker.objects.create(name="gate", state="closed", closed_at=clock.db_now())
    assert take_ramp_slot("gate") == 0.0
    assert 100 < take_ramp_slot("gate") <= 110  # a tenth apart, since it may be a bit early


def test_claims_of_a_half_open_circuit_go_one_at_a_time(settings):
    """One a second, and none while a probe's permit is out."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": QUICK}}
    facts = {"state": "open", "open_until": clock.db_now()}
    Breaker.objects.update_or_create(name="gate", defaults=facts)
    assert take_ramp_slot("gate") == 0.0
    assert 0 < take_ramp_slot("gate") <= 1
    permit = {"probe_token": "a", "probe_until": clock.db_now() + timedelta(seconds=30)}
    Breaker.objects.filter(name="gate").update(ramp_next=None, **permit)
    assert take_ramp_slot("gate") > 0


def test_admission_of_many_costs_one_query(django_assert_num_queries):
    """Unheard-of ones let all pass."""
    with django_assert_num_queries(1):
        found = circuit_allowances([f"callbacks:{n}" for n in range(50)])
    assert not any(each.blocked or each.probe_only for each in found.values())


def test_the_status_lists_every_declared_breaker(settings):
    """With what the window holds."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": QUICK, "idle": {}}}
    fail("gate", times=2)
    call("gate")
    found = {each.name: each for each in breaker_statuses()}
    assert set(found) >= {"gate", "idle"}
    assert (found["gate"].state, found["gate"].failures) == ("closed", 2)
    trip("gate")
    opened = {each.name: each for each in breaker_statuses()}["gate"]
    assert opened.state == "open"
    assert opened.until is not None
    assert opened.last_error == "ProviderDown: down"


def test_the_command_lists_forces_and_clears():
    """As text and as JSON."""
    assert "forced open" in run("force", "gate", "open", "--reason", "cli test", "--for", "60")
    with pytest.raises(CircuitOpen):
        call("gate")
    listed = {each["name"]: each for each in json.loads(run("list", "--json"))}
    assert listed["gate"]["forced"] == "open"
    assert listed["gate"]["forced_by"] == login_name()
    assert "closed" in run("clear", "gate")
    call("gate")


def test_the_command_says_what_was_meant():
    """An unknown name is refused."""
    with pytest.raises(BreakerError, match="'gate'"):
        run("force", "gaet", "open", "--reason", "typo")


def test_a_reset_for_tests_leaves_nothing_behind():
    """In the store, the database and this process."""
    trip("gate")
    services.force_open("gate", actor="ada", reason="now")
    testing.reset_breakers()
    call("gate")
    assert (row("gate").state, row("gate").forced) == ("closed", "")
    assert not Transition.objects.exists()


def test_migrating_makes_the_declared_rows(settings):
    """So that lists are complete before the first call."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": QUICK, "fresh": {}}}
    services.declare_rows()
    services.declare_rows()
    assert Breaker.objects.filter(name="fresh", state="closed", forced="").count() == 1


def run(*arguments):
    """Run the command and return what it prints."""
    out = StringIO()
    call_command("breakers", *arguments, stdout=out)
    return out.getvalue()


def goes(name):
    """Say whether a call goes through."""
    try:
        call(name)
    except CircuitOpen:
        return False
    return True
