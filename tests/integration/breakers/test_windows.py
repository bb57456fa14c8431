"""What a circuit counts: the last calls, the last seconds, and failures in a row."""

import threading

import pytest

from celeriac.breakers import registry
from celeriac.breakers.api import CircuitOpen, breaker_statuses
from celeriac.breakers.breaker import SharedBreaker
from celeriac.breakers.local import LocalCircuit
from celeriac.breakers.models import Transition
from celeriac.breakers.options import Options
from celeriac.breakers.replies import BreakerState, CallResult, Report, Snapshot
from celeriac.breakers.shared_store import PREFIX, connect_store
from celeriac.breakers.storage import BreakerStorage
from tests.integration.breakers.support import (
    QUICK,
    ProviderDown,
    call,
    fail,
    failures_until_open,
    wait_until_written,
)

SUCCESSES = 300


@pytest.fixture(params=["shared", "local"])
def guarded(request, settings):
    """The breaker `gate` in the store, and in this process alone while the store is away."""
    if request.param == "local":
        settings.CELERIAC = {**settings.CELERIAC, "BREAKERS_STORE_URL": "redis://127.0.0.1:1/0"}
    return "gate"


def work_well():
    """Make as many calls as keep a few failures below the rate."""
    for _ in range(20):
        call("gate")


def another_process():
    """Return the same breaker as another process has it: with a memory of its own."""
    return SharedBreaker("gate", BreakerStorage("gate", connect_store()))


def call_from(breaker, error=None):
    """Make one call from that process."""
    with breaker.calling():
        if error:
            raise error


def test_a_provider_that_goes_down_entirely_is_called_min_volume_times(guarded):
    """However many calls had succeeded; and the history says why."""
    for _ in range(SUCCESSES):
        call(guarded)
    assert failures_until_open(guarded) == QUICK["min_volume"]
    wait_until_written()
    reason = Transition.objects.get(breaker_id="gate").reason
    assert reason == "nothing came back: 4 failures since the last success"


def test_a_row_of_failures_has_no_end_in_time(guarded, settings):
    """A provider that is called seldom and never answers is no better."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": QUICK | {"window": 0.1}}}
    fail("gate", times=3)
    threading.Event().wait(0.15)
    assert failures_until_open("gate") == 1


def test_the_window_holds_no_more_than_the_last_calls(guarded, settings):
    """One that fails in part is judged by its last calls, not by a busy half minute."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": QUICK | {"window_calls": 20}}}
    for _ in range(SUCCESSES):
        call(guarded)
    # Of twenty calls ten must have failed: three of four.
    assert failures_until_open(guarded, between=3) <= 12


def test_the_window_still_ends_after_its_seconds(guarded, settings):
    """Whichever is less: what is older than the window counts for nothing."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {"gate": QUICK | {"window": 0.2, "buckets": 2}},
    }
    for _ in range(30):
        call(guarded)
    threading.Event().wait(0.45)
    # Of the thirty nothing is left: two of the first four calls fail.
    assert failures_until_open(guarded, between=1) <= 4


def test_a_success_from_before_the_failures_does_not_begin_the_row_anew():
    """It rides on a later call of its process, and counts as of when it was."""
    work_well()
    other = another_process()
    call_from(other)
    fail("gate", times=3)
    with pytest.raises(ProviderDown):
        call_from(other, ProviderDown("down"))
    with pytest.raises(CircuitOpen):
        call("gate")


def test_a_success_after_failures_is_reported_at_once():
    """Even if its process ends with it, the row has ended."""
    work_well()
    fail("gate", times=3)
    call_from(another_process())
    fail("gate", times=3)
    call("gate")


def test_only_a_success_that_ends_a_row_costs_a_trip_of_its_own(broker):
    """A healthy circuit still costs one round trip a call."""
    call("gate")
    fail("gate")
    before = broker.info("commandstats")["cmdstat_evalsha"]["calls"]
    for _ in range(10):
        call("gate")
    assert broker.info("commandstats")["cmdstat_evalsha"]["calls"] - before == 11


def test_the_memory_of_a_circuit_is_bounded(broker, settings):
    """By the option, however the calls ended."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": {"failure_rate": 1.0}}}
    for _ in range(200):
        call("gate")
        fail("gate")
    assert broker.keys(f"{PREFIX}*") == [f"{PREFIX}{{gate}}".encode()]
    assert broker.hstrlen(f"{PREFIX}{{gate}}", "calls") < 2_000
    assert breaker_statuses(["gate"])[0].calls == 100


def test_what_an_older_release_left_in_the_store_does_no_harm(broker):
    """Its window is under a key of its own, and its moves forget ours by their number."""
    work_well()
    fail("gate", times=3)
    broker.hset(f"{PREFIX}{{gate}}:window", mapping={"123c": 5})
    broker.hincrby(f"{PREFIX}{{gate}}", "version")  # as after a move by that release
    fail("gate", times=3)
    call("gate")


def test_the_status_tells_the_failures_in_a_row():
    """As the admin's page and `breakers list --json` show it."""
    work_well()
    fail("gate", times=3)
    assert breaker_statuses(["gate"])[0].failures_in_a_row == 3
    call("gate")
    assert breaker_statuses(["gate"])[0].failures_in_a_row == 0


def test_a_process_whose_store_goes_away_counts_on_from_what_the_store_said():
    """Neither from nothing nor from an outage of long ago."""
    options, local = Options(min_volume=4, failure_rate=1.0), LocalCircuit("gate")
    failed = Report(0, "", False, CallResult.FAULT)
    local.report(options, Report(0, "", False, CallResult.OK))
    for _ in range(3):
        local.report(options, failed)
    local.adopt(Snapshot(), in_a_row=0)
    assert local.report(options, failed).state is BreakerState.CLOSED
    local.adopt(Snapshot(), in_a_row=3)
    assert local.report(options, failed).state is BreakerState.OPEN


def test_the_local_circuit_hears_each_answer_of_the_store():
    """So the row is the cluster's when the store goes away in the middle of it."""
    work_well()
    fail("gate", times=3)
    assert registry.get_breaker("gate").storage._local.snapshot().in_a_row == 3
