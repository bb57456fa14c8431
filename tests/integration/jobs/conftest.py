"""What the ledger's tests share."""

from itertools import count
from uuid import uuid4

import pytest

from celeriac import Backoff
from celeriac.jobs import nudge, registry
from celeriac.jobs.dispatching import line
from celeriac.jobs.models import Job
from celeriac.jobs.nudge_message import Nudge
from celeriac.jobs.running import execute
from celeriac.jobs.running.execute import WorkerContext, capabilities
from celeriac.jobs.schema import Schema
from tests.support.processes import wait_until


@pytest.fixture
def declare():
    """Return a function that declares a kind for this test; it is taken back afterwards."""
    names = []

    def declare(handler, name="test.kind", **policy):
        kind = registry.Kind(name=name, handler=handler, schema=Schema.of(handler), **policy)
        names.append(name)
        return registry.declare_kind(kind)

    yield declare
    for name in names:
        registry.forget_kind(name)


@pytest.fixture
def worker_context():
    """Return the context of a worker that nobody watches."""
    return WorkerContext(worker=uuid4(), capabilities=capabilities())


@pytest.fixture
def make_job():
    """Return a function that writes a queued job."""

    def make(kind, args=None, **fields):
        declared = registry.find_kind(kind)
        fields.setdefault("queue", declared.queue)
        fields.setdefault("max_attempts", declared.retry.max_attempts)
        return Job.objects.create(kind=declared.name, args=args or {}, **fields)

    return make


@pytest.fixture
def answer(worker_context):
    """Return a function that rings jobs in this process."""

    def ring(*jobs):
        return execute.answer_doorbell([job.id for job in jobs], context=worker_context)

    return ring


@pytest.fixture
def run_in_context(worker_context, declare, make_job):
    """Return a function that runs handlers in one doorbell; their rows, and its worker's context.

    Each has one attempt, unless the test says otherwise.
    """
    kinds = count()

    def run_in_context(*handlers, **policy):
        jobs = []
        for handler in handlers:
            kind = f"test.kind{next(kinds)}"
            declare(handler, name=kind, **{"retry": Backoff(max_attempts=1)} | policy)
            jobs.append(make_job(kind))
        fresh = WorkerContext(worker=worker_context.worker, capabilities=capabilities())
        execute.answer_doorbell([job.id for job in jobs], context=fresh)
        return [Job.objects.get(pk=job.pk) for job in jobs], fresh

    return run_in_context


@pytest.fixture
def run(run_in_context):
    """Return a function that runs handlers in one doorbell; their rows after it."""

    def run(*handlers, **policy):
        rows, _ = run_in_context(*handlers, **policy)
        return rows

    return run


@pytest.fixture
def closed_clients(monkeypatch):
    """Close at the end every client of the broker that is made for nudges or the open line."""
    made = []
    make = nudge.nudge_client

    def noted(*args, **options):
        made.append(make(*args, **options))
        return made[-1]

    for module in (nudge, line):
        monkeypatch.setattr(module, "nudge_client", noted)
    yield
    for client in made:
        client.close()


@pytest.fixture
def sent(broker):
    """Return a function that returns the messages published since, decoded."""
    channel = broker.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(nudge.CHANNEL)
    wait_until(lambda: broker.pubsub_numsub(nudge.CHANNEL)[0][1] == 1)

    def messages():
        broker.publish(nudge.CHANNEL, "end")
        found = []
        while (message := channel.get_message(timeout=5)) is None or message["data"] != b"end":
            if message is not None:
                found.append(Nudge.decode(message["data"]))
        return found

    yield messages
    channel.close()
