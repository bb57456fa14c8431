"""Celery's `inspect` speaks of jobs by their ids, and not of the doorbells that bring them.

What runs in this worker's children, and what they have claimed behind it, their journals say. What
else its doorbells name, and still waits, is reserved. What waits for its time waits in the ledger:
of a queue that several workers take from one tells it.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from celery.utils.functional import maybe_list
from celery.worker import state as worker_state
from celery.worker.control import Panel
from django.db import connection

from celeriac.celery.headers import DOORBELL, HEADER
from celeriac.celery.instance import WorkerInstance
from celeriac.core import clock

#: Jobs that are named at most, soonest first, of those that wait for their time.
MOST = 1000
#: What Celery says of a message that waits for its time.
_TIMER_PRIORITY = 6
_ALIASES = {"active": "dump_active", "reserved": "dump_reserved", "scheduled": "dump_schedule"}

#: Celery's own verbs.
_plain: dict[str, Any] = {}


def install_inspecting(instance: WorkerInstance) -> None:
    """Take the four verbs over in this process, whose children write into the instance's folder."""
    inspector = Inspector(instance)
    for name in (*_ALIASES, "query_task"):
        _plain.setdefault(name, Panel.data[name])
        for each in (name, _ALIASES.get(name, name)):
            Panel.data[each] = getattr(inspector, name)


class Inspector:
    """Answers for one worker."""

    def __init__(self, instance: WorkerInstance) -> None:
        self._instance = instance

    def active(self, state: Any, safe: bool = False, **options: Any) -> list[Any]:
        """Return the jobs that run here, and the plain tasks."""
        running = self._running()
        jobs = _rows(pk__in=running)
        found = [_info(state, job, safe, running.get(job.id)) for job in jobs]
        return found + _without_doorbells(_plain["active"](state, safe=safe, **options))

    def reserved(self, state: Any, **options: Any) -> list[Any]:
        """Return the jobs that a child of this worker is to start next, and the plain tasks."""
        found = [_info(state, job) for job in self._reserved_jobs()]
        return found + _without_doorbells(_plain["reserved"](state, **options))

    def scheduled(self, state: Any, **options: Any) -> list[Any]:
        """Return the jobs that wait for their time, and the plain tasks."""
        queues = _queues_told_by(self._instance.id)
        later = {"state": "queued", "queue__in": queues, "run_at__gt": clock.db_now()}
        found = [
            {
                "eta": job.run_at.isoformat(),
                "priority": _TIMER_PRIORITY,
                "request": _info(state, job),
            }
            for job in _rows(**later)
        ]
        return found + list(_plain["scheduled"](state, **options))

    def query_task(self, state: Any, ids: Any, **options: Any) -> dict[str, Any]:
        """Return, by the ids that its caller knows, what is with the jobs and plain tasks here."""
        from celeriac.celery.adopted.lookup import find_jobs  # with the models

        ids = [str(each) for each in maybe_list(ids) or []]
        found = _plain["query_task"](state, ids, **options)
        found = {each: told for each, told in found.items() if each not in _doorbell_ids()}
        try:
            jobs = find_jobs(ids)
        finally:
            connection.close()
        running = self._running()
        reserved = {job.id for job in self._reserved_jobs()} if jobs else set()
        for each, job in jobs.items():
            if job.id in running:
                found[each] = ("active", _info(state, job, pid=running[job.id]))
            elif job.id in reserved:
                found[each] = ("reserved", _info(state, job))
        return found

    def _running(self) -> dict[UUID, int]:
        """Return the process of each job that runs here."""
        return {each.running: each.pid for each in self._records() if each.running is not None}

    def _reserved_jobs(self) -> list[Any]:
        """Return the jobs that are here and have not begun: claimed, or named by a doorbell."""
        claimed = {job_id for each in self._records() for job_id in each.unstarted}
        rung = {job_id for each in _doorbells() for job_id in _ids_of(each)}
        waiting = [job for job in _rows(pk__in=claimed | rung) if job.id not in self._running()]
        return [job for job in waiting if job.state == "queued" or job.id in claimed]

    def _records(self) -> Iterable[Any]:
        for journal in self._instance.folder.child_journals.all():
            yield from (each for each in journal.read_all() if each.alive)


def _doorbells() -> list[Any]:
    """Return the doorbells that this worker has taken and not done with."""
    taken = {*worker_state.reserved_requests, *worker_state.active_requests}
    return [each for each in taken if each.request_dict.get(HEADER) == DOORBELL]


def _doorbell_ids() -> set[str]:
    return {each.id for each in _doorbells()}


def _ids_of(doorbell: Any) -> list[UUID]:
    try:
        return [UUID(each) for each in doorbell.args[0]]
    except (TypeError, ValueError, IndexError, AttributeError):
        return []  # a canary, or what a worker will drop


def _without_doorbells(infos: Iterable[Any]) -> list[Any]:
    doorbells = _doorbell_ids()
    return [each for each in infos if each["id"] not in doorbells]


def _queues_told_by(worker: UUID) -> list[str]:
    """Return the queues of which this worker, of all that take from them, is the one that tells."""
    from celeriac.jobs.models import Worker  # with the models

    tellers: dict[str, UUID] = {}
    for each, queues in Worker.objects.living().order_by("id").values_list("id", "queues"):
        for queue in queues:
            tellers.setdefault(queue, each)
    return [queue for queue, teller in tellers.items() if teller == worker]


def _rows(**wanted: Any) -> list[Any]:
    from celeriac.jobs.models import Job  # with the models

    if wanted.get("pk__in", True) in ((), [], set(), {}):
        return []
    try:
        return list(Job.objects.filter(**wanted).order_by("run_at", "id")[:MOST])
    finally:
        connection.close()  # children that are forked later must not share it


def _info(state: Any, job: Any, safe: bool = False, pid: int | None = None) -> dict[str, Any]:
    """Return what Celery's own request says of itself, of a job; secrets are redacted."""
    from celeriac.jobs.redaction import redactor_for

    shown = redactor_for(job.kind, job.args).args(job.args)
    args, kwargs = shown.get("args", []), shown.get("kwargs", {})
    if not {"args", "kwargs"} <= shown.keys():
        args, kwargs = [], shown
    headers = job.headers or {}
    priority = (headers.get("delivery_info") or {}).get("priority")
    return {
        "id": job.task_id or str(job.id),
        "name": headers.get("shadow") or job.kind,
        "args": repr(args) if safe else args,
        "kwargs": repr(kwargs) if safe else kwargs,
        "type": job.kind,
        "hostname": state.hostname,
        "time_start": job.started_at.timestamp() if pid is not None else None,
        "acknowledged": pid is not None,
        "delivery_info": {"exchange": "", "routing_key": job.queue, "priority": priority},
        "worker_pid": pid,
    }
