"""The backend: Django's Tasks API in front of the ledger."""

from typing import Any

from django.core import checks

from celeriac.django_tasks import policy
from celeriac.django_tasks.origin import BaseTaskBackend, InvalidTask, InvalidTaskBackend
from celeriac.django_tasks.task import LedgerTask
from celeriac.django_tasks.types import AnyResult, AnyTask
from celeriac.jobs.enqueueing.queues import are_open, is_declared
from celeriac.settings import conf


class LedgerBackend(BaseTaskBackend):
    """Runs `django.tasks` functions as jobs of the ledger.

    QUEUES are those of CELERIAC['QUEUES'] where none are given. OPTIONS are the defaults of all
    its tasks: retry (a Backoff, or a dictionary of its arguments), timeout, hard_timeout,
    breaker, batch, transactional, max_losses, retention, on_dead.
    """

    task_class = LedgerTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, {"QUEUES": [] if are_open() else list(conf.QUEUES), **params})
        try:
            self.defaults = policy.policy_of_backend(self.options)
        except (TypeError, ValueError) as error:
            raise InvalidTaskBackend(f"TASKS[{alias!r}]: {error}") from error

    def enqueue(self, task: AnyTask, args: Any, kwargs: Any) -> Any:
        """Write the job in the caller's transaction and return its result, READY.

        Raises InvalidTask, TypeError where an argument is not JSON, and what `enqueue` of the
        ledger raises.
        """
        self.validate_task(task)
        from celeriac.django_tasks import ledger  # no models are loaded when a task is declared

        options = task.options() if isinstance(task, LedgerTask) else {}
        return ledger.write_job(task, list(args), dict(kwargs), options, backend=self)

    def get_result(self, result_id: str) -> AnyResult:
        """Return what the ledger knows of a task's job; else raise TaskResultDoesNotExist."""
        from celeriac.django_tasks import ledger  # no models are loaded when a task is declared

        return ledger.find_result(str(result_id), backend=self)

    def validate_task(self, task: AnyTask) -> None:
        """Refuse a task that can't run; InvalidTask names the remedy."""
        super().validate_task(task)
        if isinstance(task.priority, bool):
            raise InvalidTask("priority must be a whole number, not a truth value.")

    def check(self, **kwargs: Any) -> list[Any]:
        """Report what would fail at the first call."""
        return [
            checks.Error(
                f"TASKS[{self.alias!r}] names the queue {queue!r}, which CELERIAC['QUEUES'] lacks.",
                hint="Declare it there, or take it out of QUEUES.",
                id="celeriac_jobs.E008",
            )
            for queue in sorted(self.queues)
            if not is_declared(queue)
        ]
