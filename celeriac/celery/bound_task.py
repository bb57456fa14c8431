"""`self` of a handler that is declared with bind=True, as Celery code knows it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from inspect import iscoroutinefunction, markcoroutinefunction, signature
from typing import Any, NoReturn

from celery.exceptions import MaxRetriesExceededError

from celeriac.celery.call_options import aware_moment
from celeriac.core import clock
from celeriac.jobs.errors import InvalidOption, NoCurrentJob
from celeriac.jobs.outcomes import Retry
from celeriac.jobs.running.current import current_job

#: What `self` shares with the task itself.
_OF_TASK = (
    *("delay", "apply_async", "enqueue", "AsyncResult", "app", "__name__", "apply", "replace"),
    *("s", "si", "signature", "subtask", "map", "starmap", "chunks", "add_to_chord"),
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler may ask about its run; without a job it was called as a function."""

    task: str
    id: str | None = None
    retries: int = 0
    correlation_id: str | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    called_directly: bool = True
    is_eager: bool = False
    parent_id: str | None = None

    @property
    def root_id(self) -> str | None:
        """The job's id: jobs know no canvas."""
        return self.id

    @property
    def args(self) -> list[Any]:
        """Nothing: the ledger names all arguments, see kwargs."""
        return []

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"self.request.{name} is Celery's own: a job has id, retries, args, kwargs, "
            "correlation_id and called_directly; current_job() has more."
        )


class BoundTask:
    """Stands for the task in its handler: its name, request and verbs."""

    MaxRetriesExceededError = MaxRetriesExceededError

    def __init__(self, *, default_retry_delay: float | None = None) -> None:
        self.default_retry_delay = default_retry_delay
        #: Set once the task is made.
        self.task: Any = None

    @property
    def max_retries(self) -> int:
        """How often the job may be run again after a failure."""
        return int(self.task.kind.retry.max_attempts) - 1

    @property
    def name(self) -> str:
        return str(self.task.name)

    @property
    def request(self) -> Request:
        """The run: its job's id, and how often it has failed before."""
        try:
            job = current_job()
        except NoCurrentJob:
            return Request(self.name)
        if job.kind not in (self.name, *self.task.kind.aliases):
            return Request(self.name)  # called as a function, by another job's handler
        facts = (str(job.id), job.failures, job.correlation_id, job.args)
        return Request(self.name, *facts, called_directly=False)

    def retry(
        self,
        args: object = None,
        kwargs: object = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: object,
    ) -> NoReturn:
        """End this run as failed, to be run again: in `countdown` seconds, or at `eta`.

        Raises `exc`, or MaxRetriesExceededError, where no retries are left.
        """
        self._refuse_changes(args, kwargs, throw, max_retries, options)
        request = self.request
        if request.called_directly:
            raise exc or Retry(cause=None)
        if request.retries >= self.max_retries:
            raise exc or MaxRetriesExceededError(
                f"{self.name} {request.id} has failed {request.retries + 1} times."
            )
        raise Retry(self._seconds(countdown, eta), cause=exc) from exc

    def update_state(
        self, task_id: object = None, state: object = None, meta: object = None, **_: object
    ) -> None:
        """Report progress: `meta` has `current` (or `done`) and `total`; nothing else is kept."""
        facts = meta if isinstance(meta, dict) else {}
        done, total = facts.get("current", facts.get("done")), facts.get("total")
        if task_id is not None or not isinstance(done, int) or not isinstance(total, int):
            raise InvalidOption(
                f"{self.name}.update_state() can only report progress: meta={{'current': 3, "
                "'total': 10}. The ledger alone moves a job's state."
            )
        if not self.request.called_directly:
            current_job().progress(done, total)

    def __getattr__(self, name: str) -> Any:
        if name in _OF_TASK:
            return getattr(self.task, name)
        raise AttributeError(
            f"self.{name} is not there in a job of the ledger: it has name, request, retry, "
            "max_retries, default_retry_delay, update_state, delay and apply_async."
        )

    def _seconds(self, countdown: float | None, eta: datetime | None) -> float | None:
        if eta is not None:
            return max(0.0, (aware_moment(eta) - clock.db_now()).total_seconds())
        return self.default_retry_delay if countdown is None else countdown

    def _refuse_changes(
        self,
        args: object,
        kwargs: object,
        throw: bool,
        max_retries: int | None,
        options: dict[str, object],
    ) -> None:
        if args is not None or kwargs is not None:
            raise self._refusal("args", "a job keeps its arguments; enqueue another one")
        if not throw:
            raise self._refusal("throw", "retry() always raises: put it last")
        if max_retries is not None and max_retries != self.max_retries:
            raise self._refusal("max_retries", f"declare the task with max_retries={max_retries}")
        for name, value in options.items():
            if value is not None:
                raise self._refusal(name, "a job keeps its options from run to run")

    def _refusal(self, name: str, instead: str) -> InvalidOption:
        return InvalidOption(f"{self.name}.retry({name}=…) means nothing to the ledger: {instead}.")


def bind_first_parameter(function: Callable[..., Any], bound: BoundTask) -> Callable[..., Any]:
    """Return `function` with its first parameter given."""
    full = signature(function)
    if not full.parameters:
        raise TypeError(f"{function.__qualname__}: bind=True needs a first parameter, self.")

    @wraps(function)
    def handler(*args: Any, **kwargs: Any) -> Any:
        return function(bound, *args, **kwargs)

    parameters = list(full.parameters.values())[1:]
    handler.__signature__ = full.replace(parameters=parameters)  # type: ignore[attr-defined]  # inspect's own hook
    return markcoroutinefunction(handler) if iscoroutinefunction(function) else handler
