"""What the flows' tests share: a kind that does as its script says."""

from uuid import uuid4

import pytest

from celeriac import Backoff, Cancelled, GiveUp
from celeriac.jobs import registry
from celeriac.jobs.running.execute import WorkerContext, capabilities
from celeriac.jobs.schema import Schema


class Script:
    """What jobs of `test.scripted` did, in order, and which of them shall die."""

    def __init__(self):
        self.ran = []
        self.given = {}
        self.deadly = set()
        self.inside = {}

    def run(self, name: str, given: object = None) -> str:
        """Run as the script says; return the name."""
        self.ran.append(name)
        self.given[name] = given
        if name in self.inside:
            self.inside[name]()
        if name in self.deadly:
            raise GiveUp(f"{name} was to die")
        if f"cancel {name}" in self.deadly:
            raise Cancelled("by itself")
        return name


@pytest.fixture
def script():
    """Declare the kind, and return its script."""
    made = Script()
    kind = registry.Kind(
        name="test.scripted",
        handler=made.run,
        schema=Schema.of(made.run),
        retry=Backoff(max_attempts=1),
    )
    registry.declare_kind(kind)
    yield made
    registry.forget_kind("test.scripted")


@pytest.fixture
def worker_context(script):
    """Return the context of a worker that nobody watches."""
    return WorkerContext(worker=uuid4(), capabilities=capabilities())
