"""`@job`: a function becomes a kind of the ledger and a Celery task of that name."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from inspect import signature
from typing import Any, Concatenate, Literal, Protocol, overload

from asgiref.sync import sync_to_async
from celery import Task, shared_task

from celeriac.celery import call_options, doorbells, messages, result_rows
from celeriac.celery.answering import AnswersDoorbells
from celeriac.celery.bound_task import BoundTask, bind_first_parameter
from celeriac.celery.canvas import CanvasRefused, refused_method
from celeriac.celery.headers import HEADER
from celeriac.celery.results import AsyncResult
from celeriac.core.hints import did_you_mean
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


class JobTask[**P, R, Called](AnswersDoorbells, Task):  # type: ignore[type-arg]  # not generic at run time
    """A kind as Celery sees it. A message to it is a doorbell: a list of job ids.

    `P` are the handler's parameters, `R` is a job's result, and `Called` what the handler
    gives when it is called as a function: the result, or a coroutine of it.
    """

    abstract = True
    throws = (JobFailed,)
    Request = "celeriac.celery.doorbells:DoorbellRequest"
    kind: Kind
    #: As in Celery, the seconds that a job may wait for its start where the call says nothing.
    expires: float | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Called:
        """Run the handler here and now when called as a function; else answer a doorbell."""
        run: Callable[..., Any] = self.kind.handler if self.request.called_directly else self.run
        answer: Called = run(*args, **kwargs)
        return answer

    def run(self, *args: Any, **kwargs: Any) -> str | None:
        """Answer a doorbell, or write the row of a plain message."""
        if messages.is_doorbell(self.request.get(HEADER), args, kwargs):
            return doorbells.answer_doorbell(*args)
        return messages.enqueue_message(self, args, kwargs)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Write a job with the handler's arguments; return its handle."""
        return self.write(args, kwargs, {})

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Write a job from async code, as `enqueue` does; its handle has `aget()`."""
        return await sync_to_async(self.enqueue)(*args, **kwargs)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:  # type: ignore[override]  # ours speaks for the ledger
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
        **options: Any,
    ) -> AsyncResult[R]:
        """Write a job as Celery would send a message, and return Celery's view of it.

        Raises:
            InvalidOption: the ledger can't honour an option; it names the alternative.
            InvalidArgs: the arguments do not fit the handler's signature.
        """
        if not (isinstance(args, list | tuple | None) and isinstance(kwargs, Mapping | None)):
            raise InvalidArgs(f"{self.name}: args is a list or tuple, kwargs a mapping.")
        chosen = call_options.translate_options(
            self.name, countdown=countdown, eta=eta, expires=expires, options=options
        )
        return AsyncResult(self.write(tuple(args or ()), kwargs or {}, chosen).id)

    def AsyncResult(self, task_id: str, **_: object) -> AsyncResult[R]:  # type: ignore[override]  # noqa: N802 Celery's name
        """Return Celery's view of a job."""
        return AsyncResult(task_id)

    def write(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
    ) -> JobHandle[R]:
        """Write a job with the handler's arguments and enqueue()'s options; return its handle."""
        if self.expires is not None:
            options.setdefault("expires_at", timedelta(seconds=self.expires))
        return enqueue(self.name, _bind_arguments(self.kind, args, kwargs), **options)

    # Canvas runs on messages that carry results from task to task; the ledger has none.
    s = si = signature = subtask = refused_method("s")
    chunks = refused_method("chunks")
    map = refused_method("map")
    starmap = refused_method("starmap")
    apply = refused_method("apply")
    retry = refused_method("retry")
    replace = refused_method("replace")
    add_to_chord = refused_method("add_to_chord")
    signature_from_request = subtask_from_request = refused_method("signature_from_request")


class Decorator(Protocol):
    """What `@job(…)` is: it makes a task of a function."""

    @overload
    def __call__[**P, R](
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> JobTask[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__[**P, R](self, function: Callable[P, R], /) -> JobTask[P, R, R]: ...


class BoundDecorator(Protocol):
    """What `@job(…, bind=True)` is: callers leave the handler's `self` out."""

    @overload
    def __call__[**P, R](
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
    ) -> JobTask[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__[**P, R](
        self, function: Callable[Concatenate[Any, P], R], /
    ) -> JobTask[P, R, R]: ...


@overload
def job[**P, R](
    kind: Callable[P, Coroutine[Any, Any, R]], /
) -> JobTask[P, R, Coroutine[Any, Any, R]]: ...
@overload
def job[**P, R](kind: Callable[P, R], /) -> JobTask[P, R, R]: ...
@overload
def job(
    kind: str | None = None, /, *, bind: Literal[True], expires: float | None = ..., **options: Any
) -> BoundDecorator: ...
@overload
def job(
    kind: str | None = None,
    /,
    *,
    bind: Literal[False] = False,
    expires: float | None = ...,
    **options: Any,
) -> Decorator: ...
def job(
    kind: str | Callable[..., Any] | None = None,
    /,
    *,
    bind: bool = False,
    expires: float | None = None,
    **options: Any,
) -> Any:
    """Declare the function as the handler of `kind`; see registry.Kind for the options.

    `timeout` is the soft limit in seconds; `lock` and `unique` are templates over
    the arguments, such as `"payment:{payment_id}"`. Without a name the kind is called
    after the function's module and name, as Celery does. `bind=True` gives the handler
    Celery's `self` (see bound_task.py); a job that waits for longer than `expires` seconds is
    cancelled.

    Raises:
        TypeError: there is no such option, or no job can have the function's signature.
        ValueError: an option's value does not fit, or the kind is declared already.
    """
    if callable(kind):
        return declare_task(kind, "")

    def decorate(function: Callable[..., Any]) -> JobTask[..., Any, Any]:
        if not bind:
            return declare_task(function, kind or "", expires=expires, **options)
        bound = BoundTask()
        task = declare_task(
            bind_first_parameter(function, bound), kind or "", expires=expires, **options
        )
        bound.task = task
        return task

    return decorate


def declare_task(
    handler: Callable[..., Any], kind: str, *, expires: float | None = None, **options: Any
) -> JobTask[..., Any, Any]:
    """Declare a kind and return its Celery task; without a name it is the handler's path."""
    kind = kind or f"{handler.__module__}.{handler.__name__}"
    _check_options(kind, options)
    if options.get("celery_result"):
        options = {"on_settled": result_rows.write_result_row, **options}
    schema = Schema.of(handler)
    declared = registry.declare_kind(Kind(name=kind, handler=handler, schema=schema, **options))
    for alias in declared.aliases:
        _make_task(alias, declared, expires)
    return _make_task(kind, declared, expires)


def _make_task(name: str, kind: Kind, expires: float | None) -> JobTask[..., Any, Any]:
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
    task: JobTask[..., Any, Any] = make(doorbell)
    return task


def _bind_arguments(kind: Kind, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
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
            hint = did_you_mean(name, known, f" Known are {', '.join(known)}.")
            raise TypeError(f"@job({kind!r}) has no option {name!r}.{hint}")


def doorbell(self: JobTask[..., Any, Any], *args: Any, **kwargs: Any) -> str | None:
    """Answer a message: the function of every kind's Celery task."""
    return JobTask.run(self, *args, **kwargs)
