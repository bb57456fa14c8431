"""Celery's `control revoke` for ids of jobs: the job is cancelled, wherever that is asked.

Celery's own worker remembers an id and throws away whatever message bears it: a job's doorbells,
for hours, while the dispatcher rings on and the row says nothing of it. Ids of plain tasks are
left to it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from celery import signals
from celery.app.control import Control as CelerysControl
from celery.app.task import Context
from celery.utils.functional import maybe_list
from celery.worker.control import Panel
from django.apps import apps
from django.db import connection

from celeriac.jobs.errors import InvalidOption, TransitionRefused

#: Celery's own verbs.
_plain: dict[str, Any] = {}


class Control(CelerysControl):
    """Cancels jobs itself, though no worker may listen; the rest goes to the workers."""

    def revoke(self, task_id: Any, *args: Any, terminate: bool = False, **options: Any) -> Any:
        """Cancel the jobs among these ids; have workers revoke the others.

        Raises:
            InvalidOption: `terminate` would kill a job's neighbours, too.
        """
        ids = _texts(task_id)
        others = _cancel_jobs(self.app, ids, terminate=terminate) if apps.ready else ids
        if not others:
            return None
        plain: Any = super()
        return plain.revoke(others, *args, terminate=terminate, **options)


def install_revoking() -> None:
    """Take the two verbs over in this process."""
    for name, verb in (("revoke", revoke), ("terminate", terminate)):
        if Panel.data[name] is not verb:
            _plain[name] = Panel.data[name]
            Panel.data[name] = verb


def revoke(state: Any, task_id: Any, terminate: bool = False, **options: Any) -> Any:
    """Cancel the jobs of these ids, as `AsyncResult(id).revoke()` does; revoke plain tasks."""
    ids = _texts(task_id)
    try:
        others = _cancel_jobs(state.app, ids)
    finally:
        connection.close()  # children that are forked later must not share it
    if others and "revoke" in _plain:
        _plain["revoke"](state, others, terminate=terminate, **options)
    cancelled = [each for each in ids if each not in others]
    return {"ok": f"jobs cancelled: {', '.join(cancelled) or 'none'}"}


def terminate(state: Any, signal: object, task_id: Any, **options: Any) -> Any:
    """Do the same to jobs: to kill a process would cost the job a loss."""
    return revoke(state, task_id, terminate=True, signal=signal, **options)


def _texts(task_id: Any) -> list[str]:
    return sorted({str(each) for each in maybe_list(task_id) or []})


def _cancel_jobs(app: Any, ids: Sequence[str], *, terminate: bool = False) -> list[str]:
    """Cancel the jobs among these ids; return the ids that are no job's."""
    from celeriac.celery.adopted.lookup import find_jobs  # with the models

    jobs = find_jobs(ids)
    if jobs and terminate:
        raise InvalidOption(
            "revoke(terminate=True) kills a process and its neighbours: the handler stops where it"
            " asks current_job().should_stop(), or at its time limit."
        )
    _cancel_all(app, jobs.values())
    return [each for each in ids if each not in jobs]


def _cancel_all(app: Any, jobs: Iterable[Any]) -> None:
    from celeriac.celery.adopted.lookup import successor_of
    from celeriac.jobs.operating.operate import cancel

    for job in map(successor_of, jobs):
        if job.cancel_requested_at is not None or job.is_finished:
            continue
        try:
            cancel(job.id, actor="celery control", reason="revoked")
        except TransitionRefused:
            continue  # it has ended meanwhile, which Celery does not mind
        if (task := app.tasks.get(job.kind)) is not None and job.state in ("queued", "waiting"):
            request = Context(id=job.task_id or str(job.id), task=job.kind, called_directly=False)
            signals.task_revoked.send(
                sender=task, request=request, terminated=False, signum=None, expired=False
            )
