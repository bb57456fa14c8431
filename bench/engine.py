"""The engine of the checkout that is measured, by today's names: older commits had others.

A stage runs in the checkout that it measures, with this bench's code (see `bench.checkouts`).
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Engine:
    """Where a checkout keeps what the bench calls, each as MODULE:NAME."""

    job: str
    enqueue: str
    enqueue_many: str
    nudge_queues: str
    #: The module with the names of the tables, or the names themselves.
    tables: str | Mapping[str, str]

    def table(self, name: str) -> str:
        """Return a table's name: JOB, ATTEMPT, JOB_KEY, WORKER or QUEUE."""
        if isinstance(self.tables, str):
            return str(getattr(import_module(self.tables), name))
        return self.tables[name]

    def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call what the field of that name names."""
        module, _, attribute = getattr(self, name).partition(":")
        return getattr(import_module(module), attribute)(*arguments, **options)


TODAY = Engine(
    job="celeriac:job",
    enqueue="celeriac:enqueue",
    enqueue_many="celeriac:enqueue_many",
    nudge_queues="celeriac.jobs.nudge:nudge_queues",
    tables="celeriac.core.tables",
)
#: Before the library had a package of its own.
OLDER = Engine(
    job="tasks.base:job",
    enqueue="apps.jobs.api:enqueue",
    enqueue_many="apps.jobs.api:enqueue_many",
    nudge_queues="apps.jobs.nudge:wake",
    tables={
        "JOB": "jobs_job",
        "ATTEMPT": "jobs_attempt",
        "JOB_KEY": "jobs_jobkey",
        "WORKER": "jobs_worker",
        "QUEUE": "jobs_queue",
    },
)
#: Whether this process runs an older checkout.
IS_OLDER = importlib.util.find_spec("celeriac") is None


def engine() -> Engine:
    """Return the engine of the checkout that this process runs."""
    return OLDER if IS_OLDER else TODAY


def engine_of(root: Path) -> Engine:
    """Return the engine of a checkout."""
    return TODAY if (root / "celeriac").is_dir() else OLDER


def settings_of(queues: Mapping[str, Mapping[str, Any]], modules: Sequence[str]) -> dict[str, Any]:
    """Return the settings that declare queues, and the modules with kinds, over the base's."""
    if IS_OLDER:
        return {"JOBS_QUEUES": dict(queues), "JOBS_MODULES": list(modules)}
    base = import_module("config.settings.base").CELERIAC
    return {"CELERIAC": base | {"QUEUES": dict(queues), "MODULES": list(modules)}}
