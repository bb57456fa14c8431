"""Running an adopted task: Celery's own task object, for one job."""

from collections.abc import Mapping
from typing import Any

from celeriac.celery.adopted.calls import decode_call
from celeriac.jobs.running.current import current_job


def run_adopted(task: Any, values: Mapping[str, Any]) -> Any:
    """Run the task of a job with the arguments of its call; return what it returns."""
    args, kwargs = decode_call(values, current_job().id)
    return task(*args, **kwargs)
