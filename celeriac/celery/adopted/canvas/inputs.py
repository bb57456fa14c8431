"""What a task of a canvas is given of others, read when its job runs."""

import json
from collections.abc import Mapping
from typing import Any

from celery.app.task import Context

from celeriac.celery.adopted.canvas.recording import What
from celeriac.celery.adopted.values import own_value
from celeriac.core import tables
from celeriac.core.queries import fetch_rows
from celeriac.jobs.models import Job
from celeriac.jobs.outcomes import GiveUp
from celeriac.jobs.states import State
from celeriac.settings import conf

#: Where a job's headers keep it: by the place among the arguments.
KEY = "celeriac_canvas"
#: Where they keep that others are given its result, whatever `ignore_result` says.
KEPT = "celeriac_kept"

_ENDS = f"""
WITH RECURSIVE ends AS (
    SELECT j.id AS member, (j.headers ->> 'group_index')::int AS place,
           j.id, j.state, j.result, j.superseded_by
    FROM {tables.JOB} j WHERE {{which}}
    UNION ALL
    SELECT ends.member, ends.place, j.id, j.state, j.result, j.superseded_by
    FROM ends JOIN {tables.JOB} j ON j.id = ends.superseded_by
)
SELECT member, state, result::text FROM ends WHERE superseded_by IS NULL
ORDER BY place, member
"""
_OF_GROUP = _ENDS.format(which="j.node = %(group)s AND j.node IS NOT NULL")
_OF_JOBS = _ENDS.format(which="j.id = ANY(%(jobs)s::uuid[])")


def filled_call(
    task: Any, args: list[Any], kwargs: dict[str, Any], headers: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return a call's arguments with what others came to in their places.

    Raises:
        GiveUp: a result is gone, or they are too large together.
    """
    given = headers.get(KEY)
    if not given:
        return args, kwargs
    args, kwargs = list(args), dict(kwargs)
    failures: dict[str, dict[What, Any]] = {}
    for place, source in given.items():
        if _is_taken(place, args, kwargs):
            continue
        value = _read(task, source, failures)
        if place.isdigit():
            args[int(place)] = value
        else:
            kwargs[place] = value
    return args, kwargs


def _is_taken(place: str, args: list[Any], kwargs: dict[str, Any]) -> bool:
    """Return whether a retry, or an operator, has put something else into a place."""
    if place.isdigit():
        return int(place) >= len(args) or args[int(place)] is not None
    return kwargs.get(place) is not None


def _read(task: Any, source: Mapping[str, Any], failures: dict[str, dict[What, Any]]) -> Any:
    match source["what"]:
        case What.RESULT:
            return _results([source["job"]], None)[0]
        case What.RESULTS:
            return _results(source.get("jobs"), source.get("group"), source.get("count", 0))
        case what:
            job_id = source["job"]
            if job_id not in failures:
                failures[job_id] = _failure(task, job_id)
            return failures[job_id][What(what)]


def _results(jobs: list[str] | None, group: str | None, count: int = 1) -> list[Any]:
    if group is not None:
        rows = fetch_rows(_OF_GROUP, {"group": group})
    else:
        rows = fetch_rows(_OF_JOBS, {"jobs": jobs})
        places = {job_id: place for place, job_id in enumerate(jobs or [])}
        rows.sort(key=lambda row: places[str(row[0])])
        count = len(places)
    if len(rows) < count:
        raise GiveUp("A job is gone whose result it was to be given.")
    size = sum(len(text or "") for _, _, text in rows)
    if size > conf.MAX_FLOW_RESULT_BYTES:
        raise GiveUp(
            f"The results that it waits for take {size:,} bytes, more than "
            f"{conf.MAX_FLOW_RESULT_BYTES:,} (CELERIAC['MAX_FLOW_RESULT_BYTES']): store the "
            "data, and let tasks return its ids."
        )
    return [_result(*row) for row in rows]


def _result(job_id: Any, state: str, text: str | None) -> Any:
    if state != State.SUCCEEDED:
        raise GiveUp(f"Job {job_id}, whose result it was to be given, is {state}.")
    return own_value(json.loads(text)) if text is not None else None


def _failure(task: Any, job_id: str) -> dict[What, Any]:
    """Return what Celery tells an error callback of a call that failed."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        raise GiveUp(f"Job {job_id}, of whose failure it was to be told, is gone.")
    meta = task.app.backend.get_task_meta(job.task_id or str(job.id))
    context = {"id": meta["task_id"], "task": job.kind, "args": meta["args"]}
    request = Context(**context, kwargs=meta["kwargs"], **(job.headers or {}))
    return {
        What.REQUEST: request,
        What.ERROR: meta["result"],
        What.TRACEBACK: meta["traceback"],
    }
