"""`@job`: a function becomes a kind of the ledger and a Celery task of that name."""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from difflib import get_close_matches
from inspect import signature
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from celery.exceptions import Ignore, Retry

from apps.jobs import registry
from apps.jobs.backoff import Backoff
from apps.jobs.enqueueing.enqueue import enqueue
from apps.jobs.errors import InvalidArgs, JobFailed
from apps.jobs.handle import JobHandle
from apps.jobs.registry import Kind
from apps.jobs.running import execute
from apps.jobs.running.perform import Run
from apps.jobs.schema import Schema
from apps.jobs.states import State, Verb
from tasks import celery_options
from tasks.canvas import CanvasRefused, refuse
from tasks.worker import desk

__all__ = ["Backoff", "CanvasRefused", "JobTask", "job"]

#: What `@job` fills in itself.
_GIVEN = ("name", "handler", "schema")


class JobTask(Task):  # type: ignore[type-arg]  # not generic at run time
    """A kind as Celery sees it. A message to it is a doorbell: a list of job ids."""

    abstract = True
    ignore_result = True
    throws = (JobFailed,)
    kind: Kind

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 the handler's own
        """Run the handler here and now when called as a function; else answer a doorbell."""
        if self.request.called_directly:
            return self.kind.handler(*args, **kwargs)
        return self.run(*args, **kwargs)

    def run(self, ids: list[str]) -> None:
        """Answer a doorbell; for a single id Celery's state mirrors the outcome."""
        runs = execute.answer([UUID(job_id) for job_id in ids], desk=desk())
        if len(ids) == 1 and runs:
            _mirror(runs[0])

    def enqueue(self, *args: Any, **kwargs: Any) -> JobHandle:  # noqa: ANN401 the handler's own
        """Write a job with the handler's arguments; return its handle."""
        return self._enqueue(args, kwargs, {})

    def delay(self, *args: Any, **kwargs: Any) -> JobHandle:  # type: ignore[override]  # noqa: ANN401 Celery's returns an AsyncResult; the handler's own arguments
        """Write a job with the handler's arguments; return its handle."""
        return self._enqueue(args, kwargs, {})

    def apply_async(  # type: ignore[override]  # Celery's returns an AsyncResult
        self,
        args: tuple[Any, ...] | list[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        *,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | datetime | None = None,
        **options: Any,  # noqa: ANN401 Celery's options
    ) -> JobHandle:
        """Write a job; what the ledger can't honour is refused with the alternative."""
        chosen = celery_options.translate(
            self.name, countdown=countdown, eta=eta, expires=expires, options=options
        )
        return self._enqueue(tuple(args or ()), kwargs or {}, chosen)

    def AsyncResult(self, task_id: str, **_: object) -> JobHandle:  # type: ignore[override]  # noqa: N802 Celery's name
        """Return the handle of a job."""
        return JobHandle(UUID(str(task_id)))

    def _enqueue(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
    ) -> JobHandle:
        return JobHandle(enqueue(self.name, _bind(self.kind, args, kwargs), **options).id)

    # Canvas runs on messages that carry results from task to task; the ledger has none.
    s = si = signature = subtask = refuse("s")
    chunks = refuse("chunks")
    map = refuse("map")
    starmap = refuse("starmap")
    apply = refuse("apply")
    retry = refuse("retry")
    replace = refuse("replace")
    add_to_chord = refuse("add_to_chord")
    signature_from_request = subtask_from_request = refuse("signature_from_request")


def job(kind: str, **options: Any) -> Callable[[Callable[..., Any]], JobTask]:  # noqa: ANN401 Kind's fields
    """Declare the function as the handler of `kind`; see registry.Kind for the options.

    `timeout` is the soft limit in seconds; `lock` and `unique` are templates over
    the arguments, such as `"payment:{payment_id}"`.
    """

    def declare(handler: Callable[..., Any]) -> JobTask:
        _check_options(kind, options)
        schema = Schema.of(handler)
        declared = registry.declare(Kind(name=kind, handler=handler, schema=schema, **options))
        for alias in declared.aliases:
            shared_task(name=alias, base=JobTask, bind=True, kind=declared)(doorbell)
        task: JobTask = shared_task(name=kind, base=JobTask, bind=True, kind=declared)(doorbell)
        return task

    return declare


def _bind(kind: Kind, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Name the positional arguments; what is missing or bad is for the schema to say."""
    if not args:
        return kwargs
    try:
        return signature(kind.handler).bind_partial(*args, **kwargs).arguments
    except TypeError as error:
        raise InvalidArgs(f"{kind.name}: {error}.") from error


def _check_options(kind: str, options: dict[str, Any]) -> None:
    known = [field.name for field in fields(Kind) if field.name not in _GIVEN]
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known are {', '.join(known)}."
            raise TypeError(f"@job({kind!r}) has no option {name!r}.{hint}")


def doorbell(self: JobTask, ids: list[str]) -> None:
    """Answer a doorbell: the function of every kind's Celery task."""
    JobTask.run(self, ids)


def _mirror(run: Run) -> None:
    outcome, settled = run.outcome, run.settled
    if outcome is None or settled is None or outcome.verb is Verb.COMPLETE:
        return
    if settled.state is State.DEAD:
        raise JobFailed(f"{run.kind.name} {run.job.id}: {outcome.error_class}: {outcome.message}")
    if outcome.verb is Verb.RETRY and settled.state is State.QUEUED:
        raise Retry(f"{outcome.error_class}: {outcome.message}")
    raise Ignore
