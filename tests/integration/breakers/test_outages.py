"""The store or the database goes away, or forgets everything."""

import contextlib
import os
import threading
import time

import pytest
import redis
from django.db import connection, transaction

from celeriac.breakers import registry, services
from celeriac.breakers.api import CircuitOpen, guard
from celeriac.breakers.models import Breaker, Transition
from tests.integration.breakers.support import (
    QUICK,
    ProviderDown,
    as_another_process,
    call,
    fail,
    row,
    trip,
    wait_until_written,
)
from tests.support.processes import wait_until


@pytest.fixture
def away(settings):
    """Point the breakers at a store that refuses connections."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS_STORE_URL": "redis://127.0.0.1:1/0"}


@pytest.fixture
def stopped_store(valkey_server):
    """Stop the store; whatever happens, it runs again after the test."""
    valkey_server.kill()
    yield valkey_server
    if not valkey_server.is_running:
        valkey_server.start()


def test_emptying_the_store_closes_no_circuit(broker):
    """The database knows until when."""
    trip("gate")
    as_another_process()
    broker.flushall()
    with pytest.raises(CircuitOpen) as caught:
        call("gate")
    assert 590 < caught.value.retry_after <= 600


def test_emptying_the_store_closes_no_circuit_for_those_who_saw_it_open(broker):
    """Not even while the database is silent too."""
    trip("gate")
    wait_until_written()
    Breaker.objects.all().delete()
    broker.flushall()
    with pytest.raises(CircuitOpen):
        call("gate")


def test_emptying_the_store_lifts_no_force(broker):
    """Forces live in the database."""
    services.force_open("gate", actor="ada", reason="invoice dispute")
    broker.flushall()
    with pytest.raises(CircuitOpen):
        call("gate")


def test_without_a_store_calls_are_still_guarded(away):
    """By this process alone, with the same rules."""
    call("gate")
    trip("gate")
    with pytest.raises(CircuitOpen) as caught:
        call("gate")
    assert 590 < caught.value.retry_after <= 600


def test_a_trip_without_a_store_reaches_the_other_processes_through_the_database(away):
    """They ask it every second, and when they start."""
    trip("gate")
    as_another_process()
    with pytest.raises(CircuitOpen):
        call("gate")


def test_an_open_circuit_stays_open_when_the_store_goes_away(stopped_store):
    """Never asked anybody but the database."""
    services.force_open("gate", actor="ada", reason="maintenance")
    with pytest.raises(CircuitOpen):
        call("gate")


def test_a_killed_store_raises_nothing_and_its_return_is_noticed(valkey_server, broker):
    """What was open stays open throughout, and the new store learns it."""
    trip("gate")
    wait_until_written()
    valkey_server.kill()
    try:
        for _ in range(3):
            with pytest.raises(CircuitOpen):
                call("gate")
    finally:
        valkey_server.start()
    key = "celeriac:breaker:{gate}"
    with redis.Redis.from_url(os.environ["BROKER_URL"]) as client:

        def adopted():
            with contextlib.suppress(CircuitOpen):
                call("gate")
            return client.hget(key, "state") == b"open"

        wait_until(adopted)


def test_a_trip_while_the_store_was_away_reaches_the_store(valkey_server, broker):
    """The store adopts what the database learnt meanwhile."""
    call("gate")
    valkey_server.kill()
    try:
        trip("gate")
        wait_until_written()
    finally:
        valkey_server.start()
    as_another_process()
    wait_until(lambda: refused("gate"))
    registry.get_breaker("gate").storage.sync()
    with redis.Redis.from_url(os.environ["BROKER_URL"]) as client:
        assert client.hget("celeriac:breaker:{gate}", "state") == b"open"


def test_a_frozen_store_delays_a_call_once_and_not_for_long(valkey_server, settings):
    """It is left alone for a while after each failure."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS_STORE_TIMEOUT": 0.1}
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS_STORE_MUTE_SECONDS": 60}
    call("gate")
    valkey_server.pause()
    try:
        started = time.monotonic()
        for _ in range(50):
            call("gate")
        assert time.monotonic() - started < 2.0
    finally:
        valkey_server.resume()


def test_without_a_database_a_trip_raises_nothing_and_is_written_later(postgres_server):
    """With the time at which it happened."""
    call("gate")
    connection.close()
    postgres_server.pause()
    try:
        started = time.monotonic()
        trip("gate")
        with pytest.raises(CircuitOpen):
            call("gate")
        assert time.monotonic() - started < 5
    finally:
        postgres_server.resume()
    wait_until(lambda: Transition.objects.filter(breaker_id="gate").exists())
    assert row("gate").state == "open"


def test_a_trip_while_the_database_is_dead_is_written_when_it_is_back(postgres_server):
    """A refused connection loses no move, and neither delays nor fails a call."""
    call("gate")
    wait_until_written()
    connection.close()
    postgres_server.kill()
    try:
        started = time.monotonic()
        trip("gate")
        for _ in range(50):
            with pytest.raises(CircuitOpen):
                call("gate")
        assert time.monotonic() - started < 5
    finally:
        postgres_server.start()
    wait_until(lambda: Transition.objects.filter(breaker_id="gate", version=1).exists())
    assert row("gate").state == "open"
    assert Transition.objects.get(breaker_id="gate").last_error == "ProviderDown: down"


def test_a_callers_lock_on_the_row_holds_up_neither_call_nor_caller():
    """The write waits for its turn, not the call."""
    trip_in = threading.Thread(target=lambda: trip("gate"))
    with transaction.atomic():
        Breaker.objects.update_or_create(name="gate")
        trip_in.start()
        trip_in.join(timeout=20)
        assert not trip_in.is_alive()
    wait_until(lambda: row("gate").state == "open")


def test_a_move_whose_process_died_is_written_by_the_next_comparison(settings):
    """Store and database are compared every few seconds."""
    trip("gate")
    wait_until_written()
    Transition.objects.all().delete()
    Breaker.objects.update(state="closed", version=0, open_until=None)
    time_passes = {"changed": "1"}
    with redis.Redis.from_url(os.environ["BROKER_URL"]) as client:
        client.hset("celeriac:breaker:{gate}", mapping=time_passes | {"synced": "1"})
    with pytest.raises(CircuitOpen):
        call("gate")
    wait_until(lambda: row("gate").state == "open")
    assert Transition.objects.get(breaker_id="gate").reason == "found in the store"


def test_only_one_probe_goes_even_if_some_see_the_store_and_some_do_not(settings):
    """The permit is taken in the database as well."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": QUICK | {"cooldown": 0.05}}}
    trip("gate")
    wait_until_written()
    with_store = registry.get_breaker("gate")
    admission = wait_until(lambda: enter(with_store))
    registry.forget_breakers()
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS_STORE_URL": "redis://127.0.0.1:1/0"}
    assert enter(registry.get_breaker("gate")) is None
    with_store.leave(admission, ProviderDown("still"))


def test_guarding_works_inside_a_broken_transaction():
    """The breaker uses no connection of the caller's."""
    with contextlib.suppress(Exception), transaction.atomic(), connection.cursor() as cursor:
        with contextlib.suppress(Exception):
            cursor.execute("SELECT 1/0")
        trip("gate")
    wait_until_written()
    assert row("gate").state == "open"
    fail("gate", times=0)
    with pytest.raises(CircuitOpen), guard("gate"):
        pass


def enter(breaker):
    """Return a ticket, or None when refused."""
    try:
        return breaker.enter()
    except CircuitOpen:
        return None


def refused(name):
    """Say whether a call is refused."""
    try:
        call(name)
    except CircuitOpen:
        return True
    return False
