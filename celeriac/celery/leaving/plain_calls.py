"""A queued job as the plain message that would have been sent in its place."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from kombu.utils.json import dumps, loads

from celeriac.celery.adopted.calls import decode_call
from celeriac.celery.adopted.choosing import as_plain
from celeriac.celery.adopted.options import is_inverted, ledger_priority
from celeriac.celery.adopted.policy import retries_lost
from celeriac.celery.adopted.request import CELERYS
from celeriac.jobs.models import HandedBack, Job

#: What a job's headers say that `send_task` takes by the same name.
_SAME = ("shadow", "root_id", "parent_id", "argsrepr", "kwargsrepr", "ignore_result")


def encoder(tasks: dict[str, Any], now: datetime) -> Callable[[Job], str]:
    """Return what makes the text of a job's message: kombu's JSON of arguments and options."""

    def encode(job: Job) -> str:
        args, kwargs = decode_call(job.args, job.id)
        options = call_options(tasks[job.kind], job, now)
        text: str = dumps({"args": args, "kwargs": kwargs, "options": options})
        return text

    return encode


def call_options(task: Any, job: Job, now: datetime) -> dict[str, Any]:
    """Return the options of `send_task` that say what the job's row says."""
    headers = job.headers or {}
    hard, soft = headers.get("timelimit") or (task.time_limit, task.soft_time_limit)
    first = headers.get("retries")
    lost = job.losses if retries_lost(task) else 0
    options = {
        "queue": job.queue,
        "priority": _priority(task, job, headers),
        "eta": job.run_at if job.run_at > now else None,
        "expires": job.expires_at,
        "retries": job.failures + lost + (first if isinstance(first, int) else 0),
        "time_limit": hard,
        "soft_time_limit": soft,
        "headers": {name: value for name, value in headers.items() if name not in CELERYS},
        **{name: headers[name] for name in _SAME if headers.get(name) is not None},
    }
    if stamped := headers.get("stamped_headers"):
        options |= {"stamped_headers": stamped, **(headers.get("stamps") or {})}
    return {name: value for name, value in options.items() if value is not None}


def send_plain(task: Any, row: HandedBack, producer: Any) -> None:
    """Send the message of a job that was taken out of the ledger; errors are the broker's."""
    call = loads(row.call)
    task._get_app().send_task(
        row.task,
        call["args"],
        call["kwargs"],
        task_id=row.task_id,
        producer=producer,
        task_type=task,  # whichever side its calls go to now
        add_to_parent=False,
        **as_plain(call["options"]),
    )


def _priority(task: Any, job: Job, headers: dict[str, Any]) -> int | None:
    """Return the priority in the broker's words: as it was called with, unless it was changed."""
    app = task._get_app()
    called: int | None = (headers.get("delivery_info") or {}).get("priority")
    if called is not None and ledger_priority(app, called) == job.priority:
        return called
    if job.priority == 0:
        return None
    return max(0, -job.priority if is_inverted(app) else job.priority)
