"""One circuit, many processes: real ones, forked, on one store and one database."""

import contextlib
import multiprocessing
import threading

import pytest
from django.db import connections

from celeriac.breakers import durable, registry
from celeriac.breakers.api import CircuitOpen, guard
from tests.integration.breakers.support import QUICK, ProviderDown, trip, wait_until_written
from tests.support.processes import wait_until

#: Forked, so that twenty of them start at once.
fork = multiprocessing.get_context("fork")
PATIENCE = 60


@contextlib.contextmanager
def forked(count, work):
    """Run `work(number)` in `count` processes beside the block; fail when one fails."""
    wait_until_written()
    connections.close_all()
    started = [fork.Process(target=work, args=(number,)) for number in range(count)]
    for process in started:
        process.start()
    yield
    for process in started:
        process.join(PATIENCE)
    assert [process.exitcode for process in started] == [0] * count


def run_in_processes(count, work):
    """Run `work(number)` in `count` processes at the same time; fail when one fails."""
    with forked(count, work):
        pass


class Provider:
    """A provider that counts who calls, in memory that processes share."""

    def __init__(self):
        """Nobody has called."""
        self.calls = fork.Value("i", 0)
        self.inside = fork.Value("i", 0)
        self.most = fork.Value("i", 0)

    def enter(self):
        """Begin a call."""
        with self.calls.get_lock():
            self.calls.value += 1
            self.inside.value += 1
            self.most.value = max(self.most.value, self.inside.value)

    def leave(self):
        """End a call."""
        with self.calls.get_lock():
            self.inside.value -= 1


def test_twenty_processes_send_exactly_one_probe(settings):
    """It is inside until all the others have been refused."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": QUICK | {"cooldown": 0.2}}}
    trip("gate")
    wait_until(lambda: registry.get_breaker("gate").storage.peek().open_for == 0)
    together, provider = fork.Barrier(20), Provider()
    all_refused, refused = fork.Event(), fork.Value("i", 0)

    def probe():
        provider.enter()
        assert all_refused.wait(PATIENCE)
        provider.leave()

    def work(number):
        together.wait(PATIENCE)
        try:
            guard("gate").call(probe)
        except CircuitOpen:
            with refused.get_lock():
                refused.value += 1
                if refused.value == 19:
                    all_refused.set()

    run_in_processes(20, work)
    assert (provider.calls.value, refused.value) == (1, 19)
    assert registry.get_breaker("gate").storage.peek().state == "closed"


@pytest.mark.parametrize("processes", [2, 8])
def test_the_calls_that_reach_a_provider_that_is_down_are_bounded(processes):
    """By those that trip the circuit and those in flight; not by what had succeeded before."""
    together, provider = fork.Barrier(processes), Provider()

    def down():
        provider.enter()
        provider.leave()
        raise ProviderDown("down")

    def work(number):
        for _ in range(50):
            guard("gate").call(int)
        together.wait(PATIENCE)
        for _ in range(50):
            try:
                guard("gate").call(down)
            except (CircuitOpen, ProviderDown):
                continue

    run_in_processes(processes, work)
    assert QUICK["min_volume"] <= provider.calls.value <= QUICK["min_volume"] + processes - 1


def test_a_provider_that_stays_down_gets_one_probe_a_cooldown(settings):
    """And never two at a time, while the store is emptied again and again."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {"gate": QUICK | {"cooldown": 0.15, "cooldown_growth": 1}},
    }
    provider, stop = Provider(), fork.Event()
    trip("gate")

    def down():
        provider.enter()
        threading.Event().wait(0.01)
        provider.leave()
        raise ProviderDown("down")

    def work(number):
        if number == 0:
            for _ in range(10):
                registry.get_breaker("gate").storage._store.client.flushall()
                threading.Event().wait(0.1)
            stop.set()
        while not stop.is_set():
            try:
                guard("gate").call(down)
            except (CircuitOpen, ProviderDown):
                threading.Event().wait(0.005)

    run_in_processes(6, work)
    assert provider.most.value == 1
    assert 1 <= provider.calls.value <= 1 + 1.0 / 0.15 * 5


def test_one_probe_at_a_time_while_the_store_dies_and_comes_back(
    settings, valkey_server, monkeypatch
):
    """Some processes notice before others; the database decides between them."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {"gate": QUICK | {"cooldown": 0.15, "cooldown_growth": 1}},
    }
    monkeypatch.setattr(durable, "WAIT", 20.0)
    provider, stop = Provider(), fork.Event()
    trip("gate")

    def down():
        provider.enter()
        threading.Event().wait(0.02)
        provider.leave()
        raise ProviderDown("down")

    def work(number):
        while not stop.is_set():
            try:
                guard("gate").call(down)
            except (CircuitOpen, ProviderDown):
                threading.Event().wait(0.005)

    def disturb():
        threading.Event().wait(0.3)
        valkey_server.kill()
        threading.Event().wait(0.5)
        valkey_server.start()
        threading.Event().wait(1.0)
        stop.set()

    with forked(6, work):
        disturb()
    assert provider.most.value == 1
    assert provider.calls.value >= 1


def test_twenty_threads_send_exactly_one_probe(settings):
    """Threads are as many callers as processes are."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": QUICK | {"cooldown": 0.05}}}
    trip("gate")
    wait_until(lambda: registry.get_breaker("gate").storage.peek().open_for == 0)
    refused, release = [], threading.Event()
    together = threading.Barrier(20)

    def work():
        together.wait(PATIENCE)
        try:
            guard("gate").call(release.wait, PATIENCE)
        except CircuitOpen:
            refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(refused) == 19)
    release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert registry.get_breaker("gate").storage.peek().state == "closed"
