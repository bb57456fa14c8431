"""Django's classes of tasks: generic in their stubs, but not at run time."""

from typing import TYPE_CHECKING, Any

from celeriac.django_tasks.origin import Task, TaskContext, TaskResult

if TYPE_CHECKING:
    AnyTask = Task[..., Any]
    AnyResult = TaskResult[..., Any]
    AnyContext = TaskContext[..., Any]
else:
    AnyTask, AnyResult, AnyContext = Task, TaskResult, TaskContext

__all__ = ["AnyContext", "AnyResult", "AnyTask"]
