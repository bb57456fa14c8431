"""Running an adopted task: Celery's own tracer runs its own task object, for one job.

So hooks, signals, `current_task`, logs and what is an error are those of the Celery that is
installed. What the tracer would tell a result backend comes here instead (backend.py), and becomes
the outcome of the job's run.
"""

from collections.abc import Mapping
from typing import Any

from billiard.einfo import ExceptionInfo
from celery import states
from celery.app import trace

from celeriac.breakers.api import CircuitOpen
from celeriac.celery.adopted import retrying
from celeriac.celery.adopted.calls import decode_call
from celeriac.celery.adopted.canvas.inputs import filled_call
from celeriac.celery.adopted.received import tell_received
from celeriac.celery.adopted.request import Loader, hostname, request_of
from celeriac.celery.adopted.runs import AdoptedRun, running
from celeriac.celery.adopted.values import plain_error
from celeriac.core import context
from celeriac.jobs import registry
from celeriac.jobs.errors import LostClaim
from celeriac.jobs.outcomes import Cancelled, GiveUp, Retry, Snooze
from celeriac.jobs.running.current import current_job

#: What the ledger's own handlers raise: no failure of the task.
_VERDICTS = (Snooze, GiveUp, Retry, Cancelled, CircuitOpen, LostClaim)
#: Seconds until a task runs again that rejected its message, to have it delivered anew.
REJECTED_FOR = 1.0
_TRACER = "_celeriac_tracer"


def run_adopted(task: Any, values: Mapping[str, Any]) -> Any:
    """Run the task of a job with the arguments of its call; return what it returns, as JSON.

    Raises what its run comes to, in the ledger's words.
    """
    job = current_job()
    args, kwargs = filled_call(task, *decode_call(values, job.id), job.headers)
    run = AdoptedRun(task, job, args, kwargs)
    request = _reprs(task, args, kwargs) | request_of(task, job, run)
    tell_received(task, request, args, kwargs)
    with running(run):
        traced = _tracer(task)(run.task_id, args, kwargs, request)
    if traced.info is not None:
        _raise_outcome(run, traced.info)
    if run.again is not None:
        raise retrying.outcome_of(run, None)
    return run.value


def _reprs(task: Any, args: Any, kwargs: Any) -> dict[str, str]:
    """Return what Celery's logs are to say of the arguments, where some of them are secret."""
    if not registry.find_kind(task.name).redact:
        return {}
    hide = context.redacted_text
    return {"argsrepr": hide(repr(tuple(args))), "kwargsrepr": hide(repr(dict(kwargs)))}


class TraceInfo(trace.TraceInfo):
    """How a run ended, to Celery's tracer; a verdict of the ledger's is told to nobody."""

    __slots__ = ()

    def handle_error_state(  # type: ignore[override]  # its options differ between versions
        self, task: Any, req: Any, **options: Any
    ) -> Any:
        """Do as Celery does, hooks and signals among it, unless the ledger's words were used."""
        if isinstance(self.retval, _VERDICTS):
            return ExceptionInfo(internal=True)
        return super().handle_error_state(task, req, **options)


def _tracer(task: Any) -> Any:
    found = vars(task).get(_TRACER)
    if found is None:
        found = trace.build_tracer(
            task.name, task, loader=Loader(), hostname=hostname(), Info=TraceInfo, app=task.app
        )
        setattr(task, _TRACER, found)
    return found


def _raise_outcome(run: AdoptedRun, info: Any) -> None:
    """Raise what a run comes to that did not succeed."""
    error: Any = info.retval
    if isinstance(error, _VERDICTS):
        raise error
    if info.state == states.RETRY:
        raise retrying.outcome_of(run, error) from error.exc
    if info.state == states.IGNORED:
        raise Cancelled(f"ignored by its task: {error}" if str(error) else "ignored by its task")
    if info.state == states.REJECTED and error.requeue and run.task.acks_late:
        raise Snooze(REJECTED_FOR, f"rejected by its task, to be run again: {error.reason}")
    if run.again is not None:  # it asked to be run again without raising, and failed
        raise retrying.outcome_of(run, None) from error
    raise failed(error) from error


def failed(error: BaseException) -> Retry:
    """Return what ends a run that failed: nothing of it is tried again unasked, as in Celery."""
    ended = Retry(0.0, error)
    ended.max_attempts = 0
    ended.changes = {"result": plain_error(error)}
    return ended
