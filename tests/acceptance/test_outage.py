"""An outage at the payment provider: it costs time, and nothing else.

Two workers of four processes, real captures, the gateway's own books. Short by
default; OUTAGE_JOBS=2000 OUTAGE_SECONDS=30 runs it in full, with the options of
production. The figures are printed: run with `-s` to read them.
"""

import os
import time

import pytest
import redis
from django.db import transaction

from apps.payments.models import Payment
from celeriac import pause_queue, resume_queue
from celeriac.breakers import registry, testing
from celeriac.breakers.api import breaker_statuses, tune
from celeriac.breakers.models import Breaker, Transition
from celeriac.breakers.options import Options
from celeriac.console.explaining.explain import waiting_reasons
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.operating.selectors import queue_depths
from sandbox.demo.outage import Outage, Start, check
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
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS_STORE_URL": store.url()}
    registry.forget_breakers()
    testing.reset_breakers()
    env = {
        "STRIPE_API_BASE": settings.STRIPE_API_BASE,
        "PAYMENTS_TIMEOUT": "2",
        "BREAKERS_STORE_URL": store.url(),
        # A job a child: with twenty of them hardly a call could be one too many.
        "TEST_SLOTS": "threads:1",
    }
    tune("payments", options=TUNED, actor="test")
    started = [processes.dispatcher(env=env)]
    for _ in range(WORKERS):
        started.append(processes.worker(queues=["payments"], concurrency=CHILDREN, env=env))
    yield started
    testing.wait_until_written()


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


def seen_by(control):
    """Read the gateway's own log, and when jobs started."""
    (window,) = control.outages()["windows"]
    opened = Transition.objects.filter(breaker="payments", to_state="open").earliest("at")
    return Outage(
        options=OPTIONS,
        slots=SLOTS,
        down=window["started"],
        up=window["ends"],
        opened=opened.at.timestamp(),
        closed=Breaker.objects.get(name="payments").closed_at.timestamp(),
        calls=control.requests(),
        starts=[
            Start(run_at.timestamp(), at.timestamp())
            for run_at, at in Job.objects.values_list("run_at", "started_at")
        ],
    )


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
    return seen_by(control)


def check_parked():
    """A waiting job and its queue name the circuit, until when, and how many wait."""
    job = Job.objects.filter(state="queued", attempt=0).latest("run_at")
    depth = next(each for each in queue_depths() if each.queue == "payments")
    found = [wait for wait in waiting_reasons(job) if wait.by == "payments"]
    assert [hold.name for hold in depth.circuits] == ["payments"]
    assert depth.circuits[0].jobs > JOBS / 2
    assert found


def check_outage(title, seen):
    """Print what was seen; nothing of it is more than it may be."""
    found = check(seen)
    told = "; ".join(f"{each.question}: {each.found}" for each in found)
    print(f"\n{title}: {JOBS} captures, down {seen.up - seen.down:.1f} s: {told}")
    assert [problem for each in found for problem in each.problems] == []


def test_an_outage_costs_time_and_nothing_else(platform, gateway):  # noqa: F811 the fixture above
    """Few calls, one probe at a time, no failure counted, order and ramp kept, no double charge."""
    seen = run(gateway)
    check_books(gateway, WARM_UP + JOBS)
    check_outage("outage", seen)


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
    check_outage(fate, seen)
    wait_until(lambda: breaker_statuses(["payments"])[0].state == "closed")
    assert registry.get_breaker("payments").storage.peek().version == row_version()
    for process in platform:
        assert "Traceback" not in process.output


def row_version():
    """Return the number of the circuit's last move as the database knows it."""
    return Breaker.objects.get(name="payments").version
