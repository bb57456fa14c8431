"""The run of an adopted task's job, as its backend and its `retry()` find it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from celeriac.celery.adopted.request import task_id_of
from celeriac.celery.adopted.values import plain_value
from celeriac.core import context
from celeriac.jobs import redaction, registry
from celeriac.jobs.running.current import CurrentJob


@dataclass(frozen=True, slots=True)
class Again:
    """What the next run is to find: columns that change, and the seconds until then."""

    changes: dict[str, Any]
    seconds: float


class AdoptedRun:
    """One run of one job of an adopted task, as its backend and its retry() find it."""

    def __init__(self, task: Any, job: CurrentJob, args: Any, kwargs: Any) -> None:
        self.task, self.job, self.args, self.kwargs = task, job, args, kwargs
        self.task_id = task_id_of(job)
        #: What it returned, as JSON has it.
        self.value: Any = None
        #: What its own retry() asked for.
        self.again: Again | None = None

    def keep_value(self, value: Any) -> None:
        """Keep what the task returned; EncodeError where JSON can't carry it: the task fails."""
        self.value = plain_value(value)
        self._redact_result()

    def _redact_result(self) -> None:
        """Have the log lines that follow redact what is secret of the result, too."""
        kind = registry.find_kind(self.task.name)
        paths = [tuple(name.split(".")[1:]) for name in kind.redact if name.startswith("result")]
        if not paths:
            return
        known = redaction.redactor_of(kind, self.job.args)
        found = {str(leaf) for path in paths for leaf in redaction.values_at(self.value, path)}
        secrets = known.secrets | found - {"", "None", "True", "False"}
        context.redact_with(replace(known, secrets=secrets).text)


_running: ContextVar[AdoptedRun | None] = ContextVar("celeriac_adopted_run", default=None)


def running_run(task_id: object) -> AdoptedRun | None:
    """Return the run of the job of that id, where it is the one that runs here now."""
    run = _running.get()
    return run if run is not None and str(task_id) in (run.task_id, str(run.job.id)) else None


@contextmanager
def running(run: AdoptedRun) -> Iterator[None]:
    """Make it the run that `running_run` finds."""
    before = _running.set(run)
    try:
        yield
    finally:
        _running.reset(before)
