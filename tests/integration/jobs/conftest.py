"""What the ledger's tests share."""

from uuid import uuid4

import pytest

from celeriac.jobs import registry
from celeriac.jobs.models import Job
from celeriac.jobs.running import execute
from celeriac.jobs.running.execute import Desk, knowledge
from celeriac.jobs.schema import Schema


@pytest.fixture
def declare():
    """Return a function that declares a kind for this test; it is taken back afterwards."""
    names = []

    def declare(handler, name="test.kind", **policy):
        kind = registry.Kind(name=name, handler=handler, schema=Schema.of(handler), **policy)
        names.append(name)
        return registry.declare(kind)

    yield declare
    for name in names:
        registry.forget(name)


@pytest.fixture
def desk():
    """Return a desk that nobody watches."""
    return Desk(worker=uuid4(), known=knowledge())


@pytest.fixture
def make_job():
    """Return a function that writes a queued job."""

    def make(kind, args=None, **fields):
        declared = registry.find(kind)
        fields.setdefault("queue", declared.queue)
        fields.setdefault("max_attempts", declared.retry.max_attempts)
        return Job.objects.create(kind=declared.name, args=args or {}, **fields)

    return make


@pytest.fixture
def answer(desk):
    """Return a function that rings jobs at the desk, in this process."""

    def ring(*jobs):
        return execute.answer([job.id for job in jobs], desk=desk)

    return ring
