"""What tasks have in common whose messages are doorbells: Celery's limits are not about them."""

from typing import Any

from celeriac.celery.adopted.declaring import declare_adopted
from celeriac.celery.adopted.patterns import may_be_job

_LIMITS = ("time_limit", "soft_time_limit")


class AnswersDoorbells:
    """Of a task class: it answers doorbells, for as long as its jobs' own limits let it.

    Celery's limits (`task_time_limit`, `--time-limit`) are about a task, and a doorbell brings
    many, and may have its child stay for more. To jobs of adopted tasks they are limits of their
    own (adopted/policy.py).
    """

    answers_doorbells = True  # see quiet.py
    ignore_result = True
    #: None, and not what the settings say.
    time_limit: Any = 0
    soft_time_limit: Any = 0


def limit_plain_tasks(worker: Any) -> None:
    """Have the limits that a worker's pool would set to every message set for its tasks instead."""
    for name in _LIMITS:
        limit = getattr(worker, name)
        setattr(worker, name, None)
        for task in worker.app.tasks.values() if limit else ():
            if getattr(task, name) is None:
                setattr(task, name, limit)
                if may_be_job(task.name):
                    declare_adopted(task)
