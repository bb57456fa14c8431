"""`@job`: a function becomes a kind of the ledger and a Celery task of that name."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from difflib import get_close_matches
from inspect import signature
from typing import Any, overload

from asgiref.sync import sync_to_async
from celery import Task, shared_task

from celeriac.celery import celery_options, doorbells, messages, result_rows
from celeriac.celery.bound import BoundTask, bind_first
from celeriac.celery.canvas import CanvasRefused, refuse
from celeriac.celery.results import AsyncResult
from celeriac.jobs import registry
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.enqueueing.enqueue import enqueue
from celeriac.jobs.errors import InvalidArgs, JobFailed
from celeriac.jobs.handle import JobHandle
from celeriac.jobs.registry import Kind
from celeriac.jobs.schema import Schema

__all__ = ["Backoff", "CanvasRefused", "JobTask", "job"]

#: What `@job` fills in itself.
_GIVEN = ("name", "handler", "schema")


class JobTask(Task):  # type: ignore[type-arg]  # not generic at run time
    """A kind as Celery sees it. A message to it is a doorbell: a list of job ids."""

    abstract = True
    ignore_result = True
    throws = (JobFailed,)
    Request = "celeriac.celery.doorbells:Doorbell"
    kind: Kind
    #: As in Celery, the seconds that a job may wait for its start where the call says nothing.
    expires: float | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 the handler's own
        """Run the handler here and now when called as a function; else answer a doorbell."""
        if self.request.called_directly:
            return self.kind.handler(*args, **kwargs)
        return self.run(*args, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> str | None:  # noqa: ANN401 the sender's own
        """Answer a doorbell, or write the row of a plain message."""
        if messages.is_doorbell(self.request.get(messages.HEADER), args, kwargs):
            return doorbells.answer(*args)
        return messages.take_in(self, args, kwargs)

    def enqueue(self, *args: Any, **kwargs: Any) -> JobHandle:  # noqa: ANN401 the handler's own
        """Write a job with the handler's arguments; return its handle."""
        return self.write(args, kwargs, {})

    async def aenqueue(self, *args: Any, **kwargs: Any) -> JobHandle:  # noqa: ANN401 the handler's own
        """Write a job from async code, as `enqueue` does; its handle has `aget()`."""
        return await sync_to_async(self.enqueue)(*args, **kwargs)

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult:  # type: ignore[override]  # noqa: ANN401 ours speaks for the ledger; the handler's own arguments
        """Write a job with the handler's arguments; return Celery's view of it."""
        return AsyncResult(self.write(args, kwargs, {}).id)

    def apply_async(  # type: ignore[override]  # ours speaks for the ledger
        self,
        args: tuple[Any, ...] | list[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        *,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | datetime | None = None,
        **options: Any,  # noqa: ANN401 Celery's options
    ) -> AsyncResult:
        """Write a job; what the ledger can't honour is refused with the alternative."""
        if not (isinstance(args, list | tuple | None) and isinstance(kwargs, Mapping | None)):
            raise InvalidArgs(f"{self.name}: args is a list or tuple, kwargs a mapping.")
        chosen = celery_options.translate(
            self.name, countdown=countdown, eta=eta, expires=expires, options=options
        )
        return AsyncResult(self.write(tuple(args or ()), kwargs or {}, chosen).id)

    def AsyncResult(self, task_id: str, **_: object) -> AsyncResult:  # type: ignore[override]  # noqa: N802 Celery's name
        """Return Celery's view of a job."""
        return AsyncResult(task_id)

    def write(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
    ) -> JobHandle:
        """Write a job with the handler's arguments and enqueue()'s options; return its handle."""
        if self.expires is not None:
            options.setdefault("expires_at", timedelta(seconds=self.expires))
        return enqueue(self.name, _bind(self.kind, args, kwargs), **options)

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


@overload
def job(kind: Callable[..., Any], /) -> JobTask: ...
@overload
def job(
    kind: str | None = None,
    /,
    *,
    bind: bool = ...,
    expires: float | None = ...,
    **options: Any,  # noqa: ANN401 Kind's fields
) -> Callable[[Callable[..., Any]], JobTask]: ...
def job(
    kind: str | Callable[..., Any] | None = None,
    /,
    *,
    bind: bool = False,
    expires: float | None = None,
    **options: Any,
) -> JobTask | Callable[[Callable[..., Any]], JobTask]:
    """Declare the function as the handler of `kind`; see registry.Kind for the options.

    `timeout` is the soft limit in seconds; `lock` and `unique` are templates over
    the arguments, such as `"payment:{payment_id}"`. Without a name the kind is called
    after the function's module and name, as Celery does. `bind=True` gives the handler
    Celery's `self` (see bound.py); a job that waits for longer than `expires` seconds is
    cancelled.
    """
    if callable(kind):
        return declare(kind, "")

    def decorate(function: Callable[..., Any]) -> JobTask:
        if not bind:
            return declare(function, kind or "", expires=expires, **options)
        bound = BoundTask()
        task = declare(bind_first(function, bound), kind or "", expires=expires, **options)
        bound.task = task
        return task

    return decorate


def declare(
    handler: Callable[..., Any],
    kind: str,
    *,
    expires: float | None = None,
    **options: Any,  # noqa: ANN401 Kind's fields
) -> JobTask:
    """Declare a kind and return its Celery task; without a name it is the handler's path."""
    kind = kind or f"{handler.__module__}.{handler.__name__}"
    _check_options(kind, options)
    if options.get("celery_result"):
        options = {"on_settled": result_rows.write, **options}
    schema = Schema.of(handler)
    declared = registry.declare(Kind(name=kind, handler=handler, schema=schema, **options))
    for alias in declared.aliases:
        _make_task(alias, declared, expires)
    return _make_task(kind, declared, expires)


def _make_task(name: str, kind: Kind, expires: float | None) -> JobTask:
    limit = kind.retry.max_attempts - 1
    make = shared_task(
        name=name,
        base=JobTask,
        bind=True,
        kind=kind,
        expires=expires,
        max_retries=limit,
        __doc__=kind.handler.__doc__,
    )
    task: JobTask = make(doorbell)
    return task


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


def doorbell(self: JobTask, *args: Any, **kwargs: Any) -> str | None:  # noqa: ANN401 likewise
    """Answer a message: the function of every kind's Celery task."""
    return JobTask.run(self, *args, **kwargs)
