"""A task of the ledger: Django's, with the options that the ledger knows besides."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, overload

from celeriac.django_tasks import declaring, policy
from celeriac.django_tasks.origin import (
    DEFAULT_TASK_BACKEND_ALIAS,
    DEFAULT_TASK_QUEUE_NAME,
    InvalidTask,
    Task,
    task_backends,
)
from celeriac.django_tasks.types import AnyTask

#: Fields of a task that `using()` may change, Django's first.
_DJANGOS = ("priority", "queue_name", "run_after", "backend")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTask(AnyTask):
    """A task whose `using()` also takes what one call of `enqueue` may say.

    `expires_at` (a datetime, or a timedelta from the call), `idempotency_key`, `unique_key`,
    `lock_key`, `tenant`, `callback_url`, `replace_args` and `detached`: see celeriac.enqueue.
    `policy` is what the task was declared with.
    """

    expires_at: datetime | timedelta | None = None
    idempotency_key: str | None = None
    unique_key: str | None = None
    lock_key: str | None = None
    tenant: str = ""
    callback_url: str | None = None
    replace_args: bool = False
    detached: bool = False
    policy: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Validate, and make the task known as a kind of the ledger."""
        Task.__post_init__(self)  # no super(): a dataclass with slots is another class
        if not hasattr(self.get_backend(), "defaults"):
            self._refuse_foreign()
        else:
            declaring.declare_task(self)

    def using(self, **changes: Any) -> "LedgerTask":
        """Return a task with these defaults; what is None stays as it is."""
        policy.check_names(f"{self.module_path}.using()", changes, (*_DJANGOS, *OPTIONS))
        return replace(self, **{name: v for name, v in changes.items() if v is not None})

    def options(self) -> dict[str, Any]:
        """Return what this task says to `enqueue` besides queue, priority and time."""
        given = {name: getattr(self, name) for name in OPTIONS if name != "replace_args"}
        return {**given, "replace": self.replace_args}

    def _refuse_foreign(self) -> None:
        """Another backend would drop what it does not know in silence."""
        for field in fields(self):
            if field.name in (*OPTIONS, "policy") and getattr(self, field.name) != field.default:
                raise InvalidTask(
                    f"{self.module_path}: {field.name} needs a LedgerBackend, "
                    f"and {self.backend!r} is none."
                )


#: What `using()` takes besides Django's own.
OPTIONS = tuple(
    field.name
    for field in fields(LedgerTask)
    if field.name not in {each.name for each in fields(AnyTask)} | {"policy"}
)


@overload
def task(function: Callable[..., Any], /) -> LedgerTask: ...
@overload
def task(
    *,
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    takes_context: bool = ...,
    **options: Any,
) -> Callable[[Callable[..., Any]], LedgerTask]: ...
def task(
    function: Callable[..., Any] | None = None,
    *,
    priority: int = 0,
    queue_name: str = DEFAULT_TASK_QUEUE_NAME,
    backend: str = DEFAULT_TASK_BACKEND_ALIAS,
    takes_context: bool = False,
    **options: Any,
) -> LedgerTask | Callable[[Callable[..., Any]], LedgerTask]:
    """Make a function a task, as django.tasks.task does, with a policy of its own.

    `options` are retry, timeout, hard_timeout, lock, unique, breaker, batch, transactional,
    max_losses, retention, on_dead and aliases, as `@job` takes them.
    """
    if not hasattr(task_backends[backend], "defaults"):
        raise InvalidTask(f"The backend {backend!r} is no LedgerBackend: use django.tasks.task.")

    def declare(func: Callable[..., Any]) -> LedgerTask:
        return LedgerTask(
            priority=priority,
            func=func,
            queue_name=queue_name,
            backend=backend,
            takes_context=takes_context,
            run_after=None,
            policy=policy.policy_of_task(options),
        )

    return declare if function is None else declare(function)
