"""What a Celery task's own options, and Celery's settings, make of its kind."""

from typing import Any

from celeriac.core.arguments import LONGEST
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.outcomes import Retry


def policy_of(task: Any) -> dict[str, Any]:
    """Return the options of the kind that a task becomes; times are in seconds."""
    return {
        "timeout": task.soft_time_limit,
        "hard_timeout": task.time_limit or LONGEST,
        "retry": Backoff(max_attempts=2**31 - 1, retry_on=(Retry,)),
    }
