"""RabbitMQ in the place of Redis: doorbells one by one and confirmed, and no nudges.

`make matrix` runs it, which installs Debian's package where it may: see docs/support.md.
"""

import json
import os
import signal
from uuid import uuid4

import pytest
from celery import Celery
from django.core.checks import run_checks
from django.db.models import F
from kombu import Connection, Exchange, Queue

from celeriac import enqueue
from celeriac.celery.publisher import CeleryPublisher
from celeriac.console.doctor.broker import check_stores
from celeriac.jobs.dispatching.pending_doorbells import Doorbell, RingFailed
from celeriac.jobs.models import Job, Worker
from celeriac.monitoring.health import broker_part
from sandbox.servers.rabbitmq import MISSING, RabbitServer, is_installed
from tests.app.models import Effect
from tests.support.processes import wait_until

pytestmark = [
    pytest.mark.skipif("TEST_RABBITMQ" not in os.environ, reason="`make matrix` runs RabbitMQ."),
    pytest.mark.skipif(not is_installed(), reason=f"{MISSING}."),
]

#: Seconds in which a job begins after its commit: a dispatcher's look, and a busy machine.
SOON = 10.0


@pytest.fixture(scope="module")
def rabbit(run_directory):
    """Yield a node of RabbitMQ."""
    server = RabbitServer(run_directory / "rabbitmq")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_rabbit(run_directory):
    """Yield a node that only one test uses, so that it may be killed."""
    server = RabbitServer(run_directory / "own-rabbitmq")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def site(rabbit, settings):
    """Have this process take RabbitMQ for its broker, with no Redis beside it."""
    settings.BROKER_URL = settings.CELERY_BROKER_URL = rabbit.url()
    settings.CELERIAC = settings.CELERIAC | {"NUDGE_URL": "", "BREAKERS_STORE_URL": ""}
    return {"BROKER_URL": rabbit.url(), "CELERIAC_HEARTBEAT_SECONDS": "0.5"}


@pytest.fixture
def publisher(rabbit):
    """Yield a publisher of an app of its own."""
    app = Celery("other", broker=rabbit.url(), set_as_current=False)
    made = CeleryPublisher(app)
    yield made
    made.close()
    app.close()


def messages(rabbit, name):
    """Take all messages of a queue; return their arguments and properties."""
    found = []
    with Connection(rabbit.url()) as connection:
        channel = connection.default_channel
        while (message := channel.basic_get(name, no_ack=True)) is not None:
            found.append((json.loads(message.body)[0], message.properties))
    return found


def has(state, *jobs):
    """Return a condition: all of the jobs are in the state."""
    ids = [job.id for job in jobs]
    return lambda: Job.objects.filter(pk__in=ids, state=state).count() == len(ids)


@pytest.mark.django_db
def test_doorbells_go_one_by_one_and_are_confirmed(publisher, rabbit):
    """Durable, in their order, into a queue that nobody had made; a refusal is an error."""
    publisher.check()
    ids = [uuid4() for _ in range(50)]
    publisher.ring([Doorbell("test.noop", "unmade", (each,)) for each in ids])
    found = messages(rabbit, "unmade")
    assert [args[0] for args, _ in found] == [[str(each)] for each in ids]
    assert {properties["delivery_mode"] for _, properties in found} == {2}
    with Connection(rabbit.url()) as connection:
        limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
        full = Queue("full", Exchange("full"), routing_key="full", queue_arguments=limits)
        full(connection).declare()
        publisher.app.amqp.queues.add(full)
    doorbell = Doorbell("test.noop", "full", (uuid4(),))
    publisher.ring([doorbell])
    with pytest.raises(RingFailed) as failure:
        publisher.ring([doorbell])
    assert failure.value.uncertain


@pytest.mark.django_db
def test_a_broker_that_is_frozen_or_away_is_given_up_within_seconds(publisher, rabbit):
    """And met again on a new connection."""
    doorbell = Doorbell("test.noop", "frozen", (uuid4(),))
    publisher.ring([doorbell])
    rabbit.send(signal.SIGSTOP)
    try:
        with pytest.raises(RingFailed) as failure:
            publisher.ring([doorbell])
    finally:
        rabbit.send(signal.SIGCONT)
    assert not failure.value.uncertain
    wait_until(lambda: _rings(publisher, doorbell))
    away = CeleryPublisher(Celery(broker="amqp://127.0.0.1:1//", set_as_current=False))
    with pytest.raises(RingFailed) as failure:
        away.ring([doorbell])
    assert not failure.value.uncertain


def _rings(publisher, doorbell):
    try:
        publisher.ring([doorbell])
    except RingFailed:
        return False
    return True


def test_a_worker_and_a_dispatcher_lose_no_job_with_their_broker(processes, site, own_rabbit):
    """Killed in the middle of it and started again: the same processes run each job once."""
    site["BROKER_URL"] = own_rabbit.url()
    worker = processes.worker(queues=["default"], env=site)
    dispatcher = processes.dispatcher(env=site)
    dispatcher.wait_for_output("dispatcher ready")
    wait_until(has("succeeded", enqueue("test.noop", {})), timeout=SOON)
    _answers_a_canary()
    jobs = [enqueue("test.note", {"name": f"{number}"}) for number in range(200)]
    wait_until(Effect.objects.exists)
    own_rabbit.kill()
    jobs += [enqueue("test.note", {"name": f"{number}"}) for number in range(200, 300)]
    wait_until(lambda: "is away, trying again" in worker.output)
    own_rabbit.start()
    wait_until(has("succeeded", *jobs), timeout=60, message="all run after the broker's return")
    assert Effect.objects.count() == len(set(Effect.objects.values_list("name"))) == 300
    assert worker.is_running
    assert dispatcher.is_running


def _answers_a_canary():
    """Wait until a worker that had nothing to do was asked, and has answered."""
    asked = Worker.objects.filter(answered_at__gt=F("asked_at"))
    wait_until(asked.exists, timeout=40, message="a canary is answered")


def test_adopted_tasks_keep_rabbitmqs_priorities_and_plain_ones_its_queue(processes, site, rabbit):
    """The greater number is more urgent, as RabbitMQ has it and Redis does not."""
    elsewhere = Celery("elsewhere", broker=rabbit.url(), set_as_current=False)
    for name, priority in (("low", 1), ("high", 9)):
        elsewhere.send_task("acme.note", [name], queue="default", priority=priority)
    elsewhere.send_task("other.note", ["plain"], queue="default")
    elsewhere.close()
    processes.worker(app="tests.app.acme", queues=["default"], env=site, concurrency=1)
    wait_until(lambda: Effect.objects.filter(name="plain").exists())
    wait_until(lambda: Job.objects.count() == 2)
    said = {job.args["args"][0]: job for job in Job.objects.all()}
    assert (said["low"].priority, said["high"].priority) == (1, 9)
    processes.dispatcher(env=site)
    wait_until(has("succeeded", *said.values()), timeout=30)
    assert list(Effect.objects.order_by("id").values_list("name", flat=True)) == [
        "plain",
        "high",
        "low",
    ]


@pytest.mark.django_db
def test_check_health_and_doctor_know_rabbitmq(site, rabbit, monkeypatch):
    """What it lacks is a warning; whether it answers is asked of itself."""
    app = Celery("other", broker=rabbit.url(), set_as_current=False)
    monkeypatch.setattr("celeriac.celery.wires.app_or_default", lambda: app)
    assert "celeriac_jobs.W020" in {each.id for each in run_checks()}
    assert dict(broker_part())["broker"].ok
    assert [each.level for each in check_stores() if each.part == "broker"] == ["ok"]
    app.conf.broker_url = "amqp://127.0.0.1:1//"
    assert not dict(broker_part())["broker"].ok
