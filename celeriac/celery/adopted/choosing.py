"""Which side a call of an adopted task is on now: the ledger's, or plain Celery's.

Everything is the ledger's, unless somebody ordered otherwise (jobs/routing). What we publish as
plain bears a header, so that whichever worker takes it runs it as plain.
"""

from collections.abc import Mapping
from typing import Any

from celery.utils.functional import maybe_list

from celeriac.celery.adopted.canvas.recording import FOLLOWS, current, leaves
from celeriac.celery.adopted.patterns import is_adopted
from celeriac.celery.headers import HEADER, PLAIN
from celeriac.core.ids import uuid7
from celeriac.jobs.routing.orders import ALL, is_in_share

_CANVAS = (*FOLLOWS, "group_id")


def choose_side(
    task: Any, task_id: str | None, options: Mapping[str, Any]
) -> tuple[str | None, bool]:
    """Return the id of a call, and whether it is a job.

    A call without an id gets one where it decides. What the ledger would refuse, a canvas, is no
    job while only a share of the calls is; a plain run's own retry stays plain.
    """
    if _is_own_retry(task, task_id, options):
        return task_id, False
    share = _share(task.name)
    if share <= 0.0 or (share >= ALL and are_jobs_behind(options)):
        return task_id, share >= ALL
    if any(options.get(name) for name in _CANVAS):
        return task_id, False
    task_id = str(task_id or uuid7())
    return task_id, is_in_share(task_id, share)


def are_jobs_behind(options: Mapping[str, Any]) -> bool:
    """Return whether those that follow a call, as far as they are adopted, are all jobs.

    Of what follows in a recording that was asked before: a chain may be long.
    """
    record = current()
    if record is not None and record.continues:
        return True
    given = (maybe_list(options[name]) for name in FOLLOWS if options.get(name))
    calls = (call for wholes in given for whole in wholes for call in leaves(whole))
    return all(are_all_jobs(call["task"]) for call in calls if is_adopted(call["task"]))


def choose_call(
    task: Any,
    kwargs: Any,
    task_id: str | None,
    follows: dict[str, Any],
    options: dict[str, Any],
) -> tuple[str | None, bool, dict[str, Any]]:
    """Return the id of a call, whether it is a job, and its options: a plain one's bear a header.

    Under task_always_eager it is no job, and no message either.
    """
    if not task.is_on_ledger(kwargs):
        return task_id, False, options
    task_id, is_job = choose_side(task, task_id, {**follows, **options})
    return task_id, is_job, options if is_job else as_plain(options)


def as_plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a call whose message is to run as plain, wherever it arrives."""
    return {**options, "headers": {**(options.get("headers") or {}), HEADER: PLAIN}}


def are_all_jobs(name: str) -> bool:
    """Return whether all calls of an adopted task are jobs: nobody has ordered otherwise."""
    return _share(name) >= ALL


def is_job_on_commit(task: Any, options: dict[str, Any]) -> bool:
    """Return whether a call that waits for the commit is a job: it gets its id now."""
    options["task_id"], is_job = choose_side(task, options.get("task_id"), options)
    return is_job


def is_routed_to_ledger(name: str, task_id: str, delivery: Mapping[str, Any] | None) -> bool:
    """Return whether a message from elsewhere is to become a row.

    One that comes again may have its row already, from before an order: then it has no second run.
    """
    if is_in_share(task_id, _share(name)):
        return True
    return bool((delivery or {}).get("redelivered")) and _has_row(task_id)


def _share(name: str) -> float:
    from celeriac.jobs.routing.current_orders import current_orders  # with the models

    return current_orders.share(name)


def _is_own_retry(task: Any, task_id: str | None, options: Mapping[str, Any]) -> bool:
    request = task.request
    own = task_id is not None and not request.called_directly and request.id == task_id
    return bool(own and options.get("retries", 0) > (request.retries or 0))


def _has_row(task_id: str) -> bool:
    """Return whether the id is a job's, or was until it was handed back.

    Where the database does not say, a child of the worker will wait for its answer.
    """
    from celeriac.celery.adopted.lookup import find_job
    from celeriac.jobs.models import HandedBack
    from celeriac.jobs.routing.rows import Unanswered, ask_database

    def ask() -> bool:
        is_handed_back = HandedBack.objects.filter(task_id=task_id).exists()
        return is_handed_back or find_job(task_id) is not None

    try:
        return ask_database(ask, seconds=0.5)
    except Unanswered:
        return True
