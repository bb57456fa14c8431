"""Running a task's function as a job's handler."""

from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any

from asgiref.sync import sync_to_async
from pydantic_core import from_json, to_json

from celeriac.core.database_errors import is_away
from celeriac.django_tasks import kinds, results
from celeriac.django_tasks.origin import TaskContext, normalize_json, task_backends, task_started
from celeriac.django_tasks.policy import InvalidReturn
from celeriac.django_tasks.types import AnyContext, AnyTask
from celeriac.jobs import jsonable
from celeriac.jobs.models import Job
from celeriac.jobs.outcomes import Snooze
from celeriac.jobs.running.current import current_job
from celeriac.settings import conf


def call_task(task: AnyTask, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Run the function; return what it returns as JSON, or the awaitable of that."""
    value = task.func(*_start(task), *args, **kwargs)
    return _awaited(task, value) if isawaitable(value) else checked_result(task, value)


async def await_task(task: AnyTask, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Await a coroutine's function; return what it returns as JSON."""
    context = await sync_to_async(_start)(task)
    return checked_result(task, await task.func(*context, *args, **kwargs))


def checked_result(task: AnyTask, value: object) -> Any:
    """Return a result as JSON; InvalidReturn where it can't be kept as it is."""
    try:
        result: Any = normalize_json(value)
        problem = _problem(result)
    except RecursionError:
        raise InvalidReturn(f"{task.module_path} returned what {jsonable.TOO_DEEP}.") from None
    except (TypeError, ValueError) as error:
        raise InvalidReturn(f"{task.module_path} returned what is not JSON: {error}.") from error
    if problem:
        raise InvalidReturn(f"{task.module_path} returned what can't be kept: {problem}.")
    return result


def _problem(result: Any) -> str:
    for place, problem in jsonable.problems_in({"the result": result}).items():
        return f"{place} {problem}"
    text = to_json(result)
    if len(text) > conf.MAX_RESULT_BYTES:
        return (
            f"{len(text):,} bytes, where {conf.MAX_RESULT_BYTES:,} are allowed "
            "(CELERIAC['MAX_RESULT_BYTES']): store the data and return its id"
        )
    if from_json(text) != result:
        return "it would come back from JSON as something else; the keys of an object are text"
    return ""


def _start(task: AnyTask) -> tuple[AnyContext, ...]:
    """Say that the task starts; return the context where the function takes one."""
    try:
        job = Job.objects.get(pk=current_job().id)
        alias = kinds.backend_of(job.kind, task)
        result = results.result_of_job(job, task, alias)
    except Exception as error:
        if not is_away(error):
            raise
        # The function has not run: that is no failure of the task's.
        raise Snooze(1.0, f"the database was away before its start: {error}"[:200]) from error
    task_started.send_robust(type(task_backends[alias]), task_result=result)
    return (TaskContext(task_result=result),) if task.takes_context else ()


async def _awaited(task: AnyTask, value: Awaitable[object]) -> Any:
    return checked_result(task, await value)
