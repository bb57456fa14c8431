"""An outage at the payment provider: it costs time, and nothing else.

Two workers of four processes, real captures, the gateway's own books. Short by
default; OUTAGE_JOBS=2000 OUTAGE_SECONDS=30 runs it in full, with the options of
production. The figures are printed: run with `-s` to read them.
"""

import os
import time
from dataclasses import dataclass
from itertools import pairwise

import pytest
import redis
from django.db import transaction

from apps.breakers import registry, testing
from apps.breakers.api import status, tune
from apps.breakers.models import Breaker, Transition
from apps.breakers.options import Options
from apps.jobs.api import pause_queue, queue_depths, resume_queue, waiting
from apps.jobs.models import Attempt, Job
from apps.payments.models import Payment
from sandbox.servers import ValkeyServer
from tests.factories_domain import PaymentFactory
from tests.support.processes import wait_until
from tests.support.providers import _gateway_server, circuits, gateway  # noqa: F401 fixtures

JOBS = int(os.environ.get("OUTAGE_JOBS", "160"))
SECONDS = float(os.environ.get("OUTAGE_SECONDS", "4"))
FULL = SECONDS >= 30
WARM_UP = 20
WORKERS, CHILDREN = 2, 4
SLOTS = WORKERS * CHILDREN
#: What the breaker is told; in full, nothing: production's options hold.
TUNED = {} if FULL else {"cooldown": 1.0, "cooldown_growth": 1.0, "ramp": 8, "ramp_growth": 1.1}
OPTIONS = Options(**TUNED)
#: Jobs start at the ramp's rate, give or take what a busy machine does between the
#: place and the start; on its way to the gateway each slot's call may be held up once.
STARTED_LATE, CALLED_LATE = 2, SLOTS


@pytest.fixture
def store(run_directory, request):
    """Return a store that only breakers use, so that it may be killed alone."""
    server = ValkeyServer(run_directory / f"store-{abs(hash(request.node.nodeid)):x}")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def platform(processes, gateway, settings, store):  # noqa: F811 the fixture above
    """Run a dispatcher and the workers against this test's gateway and store."""
    settings.BREAKERS_STORE_URL = store.url()
    registry.forget()
    testing.reset()
    env = {
        "STRIPE_API_BASE": settings.STRIPE_API_BASE,
        "PAYMENTS_TIMEOUT": "2",
        "BREAKERS_STORE_URL": store.url(),
    }
    tune("payments", options=TUNED, actor="test")
    started = [processes.dispatcher(env=env)]
    for _ in range(WORKERS):
        started.append(processes.worker(queues=["payments"], concurrency=CHILDREN, env=env))
    yield started
    testing.settle()


def queue_captures(count):
    """Write payments with their captures, while nothing of the queue may start."""
    pause_queue("payments", reason="the test gets ready", actor="test")
    for start in range(0, count, 200):
        with transaction.atomic():
            for _ in range(min(200, count - start)):
                PaymentFactory()


def succeeded(count):
    """Return a condition: so many jobs have succeeded."""
    return lambda: Job.objects.filter(state="succeeded").count() >= count


@dataclass
class Outage:
    """What was seen of one outage; times in seconds since the epoch."""

    down: float
    up: float
    in_outage: list
    after: list

    @classmethod
    def seen_by(cls, control):
        """Read the gateway's own log."""
        (window,) = control.outages()["windows"]
        log = [each for each in control.requests() if each.at >= window["started"]]
        met = [each for each in log if each.at < window["ends"]]
        return cls(window["started"], window["ends"], met, log[len(met) :])

    @property
    def most_calls(self):
        """The calls that arithmetic allows: the trip, those in flight, a probe per cooldown."""
        trip = max(OPTIONS.min_volume - WARM_UP, WARM_UP)  # the failures that make half the window
        probes, at, cooldown = 0, OPTIONS.cooldown, OPTIONS.cooldown
        while at < self.up - self.down:
            probes += 1
            cooldown = min(cooldown * OPTIONS.cooldown_growth, OPTIONS.max_cooldown)
            at += cooldown
        return trip + SLOTS + probes

    def probes(self):
        """Return the calls while the circuit was not closed: all but those that tripped it."""
        tripped = Transition.objects.filter(breaker="payments", to_state="open").earliest("at")
        later = [each for each in self.in_outage if each.at > tripped.at.timestamp() + 0.5]
        return [*later, self.after[0]]


def closed_at():
    """Return when the circuit closed for good."""
    return Breaker.objects.get(name="payments").closed_at.timestamp()


def ramp_allows(elapsed):
    """Return how many jobs the ramp lets go in the first `elapsed` seconds."""
    total, second = 0.0, 0
    while second < elapsed:
        rate = OPTIONS.ramp_rate(second) or 10_000.0
        total += rate * min(1.0, elapsed - second)
        second += 1
    return total


def check_calls(seen):
    """Few calls reach a provider that is down, and never two probes at a time."""
    assert len(seen.in_outage) <= seen.most_calls
    for earlier, later in pairwise(seen.probes()):
        assert earlier.finished is not None
        assert earlier.finished <= later.at + 0.001


def check_ramp(seen):
    """Return the busiest second's starts and calls, as shares of the ramp's rate there."""
    start = closed_at()
    starts = sorted(row.started_at.timestamp() - start for row in after_closing())
    calls = [each.at - start for each in seen.after[1:]]
    return busiest_second(starts, STARTED_LATE), busiest_second(calls, CALLED_LATE)


def busiest_second(times, late):
    """Check the ramp over every second and from its beginning; return the busiest share."""
    busiest = 0.0
    for first, at in enumerate(times):
        assert first + 1 <= ramp_allows(max(at, 0.0)) + 1 + late
        in_second = sum(1 for later in times[first:] if later < at + 1.0)
        rate = OPTIONS.ramp_rate(max(at, 0.0) + 1.0)
        if rate is not None:
            busiest = max(busiest, in_second / rate)
            assert in_second <= rate + 1 + late
    return f"{busiest:.0%}"


def after_closing():
    """Return the jobs that started after the circuit had closed."""
    start = closed_at()
    return [row for row in Job.objects.all() if row.started_at.timestamp() > start]


def check_order():
    """Return by how many places the job furthest out of order started early."""
    rows = after_closing()
    by_start = sorted(rows, key=lambda row: row.started_at)
    place = {row.id: n for n, row in enumerate(sorted(rows, key=lambda row: row.run_at))}
    return max((place[row.id] - n for n, row in enumerate(by_start)), default=0)


def check_books(control, count):
    """Everything was paid for once, and no job was blamed."""
    assert Payment.objects.filter(state="succeeded").count() == count
    charges = control.stats()["charges"]
    assert set(charges["by_reference"].values()) == {1}
    assert (charges["count"], len(charges["by_reference"])) == (count, count)
    assert set(Job.objects.values_list("failures", "losses")) == {(0, 0)}
    assert not Attempt.objects.exclude(outcome="succeeded").exists()


def run(control, *, meanwhile=None):
    """Let captures run into an outage and out of it; return what the gateway saw."""
    queue_captures(WARM_UP)
    resume_queue("payments", actor="test")
    wait_until(succeeded(WARM_UP), timeout=120)
    queue_captures(JOBS)
    wait_until(lambda: not Job.objects.filter(state="running").exists())
    control.down(SECONDS)
    resume_queue("payments", actor="test")
    wait_until(lambda: Breaker.objects.get(name="payments").state != "closed", timeout=60)
    check_parked()
    if meanwhile is not None:
        meanwhile()
    wait_until(succeeded(WARM_UP + JOBS), timeout=SECONDS * 3 + JOBS / 5 + 120, every=0.25)
    return Outage.seen_by(control)


def check_parked():
    """A waiting job and its queue name the circuit, until when, and how many wait."""
    job = Job.objects.filter(state="queued", attempt=0).latest("run_at")
    depth = next(each for each in queue_depths() if each.queue == "payments")
    found = [wait for wait in waiting(job) if wait.by == "payments"]
    assert [hold.name for hold in depth.circuits] == ["payments"]
    assert depth.circuits[0].jobs > JOBS / 2
    assert found


def report(title, seen, **figures):
    """Print what was seen."""
    last = max(each.at for each in seen.after) - closed_at()
    told = ", ".join(f"{name} {value}" for name, value in figures.items())
    print(
        f"\n{title}: {JOBS} captures, down {seen.up - seen.down:.1f} s: "
        f"{len(seen.in_outage)} calls met it (at most {seen.most_calls}); "
        f"closed {closed_at() - seen.up:.1f} s after it, drained in {last:.1f} s; {told}"
    )


def test_an_outage_costs_time_and_nothing_else(platform, gateway):  # noqa: F811 the fixture above
    """Few calls, one probe at a time, no failure counted, order and ramp kept, no double charge."""
    seen = run(gateway)
    check_books(gateway, WARM_UP + JOBS)
    check_calls(seen)
    busiest, early = check_ramp(seen), check_order()
    report("outage", seen, ramp_shares=busiest, furthest_early=early)
    assert early <= 2 * SLOTS


@pytest.mark.parametrize("fate", ["emptied", "killed"])
def test_the_same_while_the_breakers_store_is_lost(platform, gateway, store, fate):  # noqa: F811 the fixture above
    """Still guarded, nothing of it reaches a handler, and the state comes together again."""

    def strike():
        time.sleep(SECONDS / 4)  # some way into the outage
        if fate == "emptied":
            with redis.Redis.from_url(store.url()) as client:
                client.flushall()
            return
        store.kill()
        time.sleep(SECONDS / 4)
        store.start()

    seen = run(gateway, meanwhile=strike)
    check_books(gateway, WARM_UP + JOBS)
    check_calls(seen)
    busiest, early = check_ramp(seen), check_order()
    report(fate, seen, ramp_shares=busiest, furthest_early=early)
    assert early <= 2 * SLOTS
    wait_until(lambda: status(["payments"])[0].state == "closed")
    assert registry.get("payments").storage.peek().version == row_version()
    for process in platform:
        assert "Traceback" not in process.output


def row_version():
    """Return the number of the circuit's last move as the database knows it."""
    return Breaker.objects.get(name="payments").version
