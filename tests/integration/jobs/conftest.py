"""What the ledger's tests share."""

from uuid import uuid4

import pytest

from celeriac.jobs import registry
from celeriac.jobs.models import Job
from celeriac.jobs.running import execute
from celeriac.jobs.running.execute import WorkerContext, capabilities
from celeriac.jobs.schema import Schema


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
    """Return a desk that nobody watches."""
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
    """Return a function that rings jobs at the desk, in this process."""

    def ring(*jobs):
        return execute.answer_doorbell([job.id for job in jobs], context=worker_context)

    return ring
