"""The result backend of an app of the ledger: it knows jobs, and asks the host's own for the rest.

`result_backend` keeps its value and its meaning: plain tasks' results, groups and chords are the
host's backend's. What an id of a job is asked is answered by its row.
"""

import logging
import time
from collections.abc import Iterator
from typing import Any

from celery import states
from celery.exceptions import TimeoutError as CelerysTimeoutError
from django.db import DatabaseError, InterfaceError

from celeriac.celery.adopted import reported, runs
from celeriac.celery.adopted.canvas.hooks import is_recording_header, takes_chord
from celeriac.celery.adopted.canvas.inputs import KEPT
from celeriac.celery.adopted.canvas.recording import current
from celeriac.celery.adopted.job_meta import meta_of
from celeriac.celery.adopted.lookup import find_job, find_jobs, successor_of
from celeriac.jobs.handle import refuse_own_transaction
from celeriac.jobs.models import Job

logger = logging.getLogger(__name__)

#: Seconds between two looks at a row, and for which the host's backend is asked at a time.
_FIRST, _LONGEST, _SLICE = 0.01, 0.5, 1.0


class ResultBackend:
    """Wraps the backend that `result_backend` names."""

    def __init__(self, host: Any) -> None:
        self.host = host

    def __getattr__(self, name: str) -> Any:
        """Be the host's backend in whatever is not about one job."""
        return getattr(self.host, name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled as the host's backend is, and wrapped anew."""
        return ResultBackend, (self.host,)

    # -- what is asked of one id -----------------------------------------------------------

    def get_task_meta(self, task_id: Any, cache: bool = True) -> dict[str, Any]:
        """Return what there is to know of a task, in Celery's words."""
        try:
            job = find_job(task_id)
        except (DatabaseError, InterfaceError):
            if (meta := self._hosts_meta(task_id)) is None:
                raise
            return meta
        if job is not None:
            return meta_of(job, self.host)
        meta = self.host.get_task_meta(task_id, cache)
        return dict(meta) if isinstance(meta, dict) else meta

    def _hosts_meta(self, task_id: Any) -> dict[str, Any] | None:
        """Return what the host's backend has of it, while the ledger is away."""
        try:
            meta: dict[str, Any] = self.host.get_task_meta(task_id)
        except Exception:
            return None
        return None if meta.get("status") == states.PENDING else meta

    def get_state(self, task_id: Any) -> Any:
        """Return the state of a task."""
        return self.get_task_meta(task_id)["status"]

    get_status = get_state

    def get_result(self, task_id: Any) -> Any:
        """Return what a task returned, or raised."""
        return self.get_task_meta(task_id).get("result")

    def get_traceback(self, task_id: Any) -> Any:
        """Return the traceback of a task that failed."""
        return self.get_task_meta(task_id).get("traceback")

    def get_children(self, task_id: Any) -> Any:
        """Return the results of the tasks that a task called."""
        return self.get_task_meta(task_id).get("children")

    def meta_from_decoded(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Return a meta whose error is an exception; a job's is one already."""
        if isinstance(meta.get("result"), BaseException):
            return meta
        decoded: dict[str, Any] = self.host.meta_from_decoded(meta)
        return decoded

    def task_result_exists(self, task_id: Any) -> bool:
        """Return whether anything is known of the task."""
        if find_job(task_id) is not None:
            return True
        return bool(self.host.task_result_exists(task_id))

    def reload_task_result(self, task_id: Any) -> None:
        """Forget what is kept of it: a job's row is read each time anyway."""
        if find_job(task_id) is None:
            self.host.reload_task_result(task_id)

    def forget(self, task_id: Any) -> None:
        """Drop a task's result; a job's row stays, and says PENDING from now on, as in Celery."""
        job = find_job(task_id)
        if job is None:
            self.host.forget(task_id)
        else:
            reported.forget_result(successor_of(job))

    # -- chords ----------------------------------------------------------------------------

    def apply_chord(self, header_result_args: Any, body: Any, **options: Any) -> Any:
        """Prepare a chord: that of jobs is a flow."""
        if not takes_chord(body):
            self.host.apply_chord(header_result_args, body, **options)

    def set_chord_size(self, group_id: Any, chord_size: int) -> Any:
        """Keep the size of a chord's header: a flow counts its own."""
        if not is_recording_header():
            self.host.set_chord_size(group_id, chord_size)

    # -- what is told of one id ------------------------------------------------------------

    def store_result(
        self,
        task_id: Any,
        result: Any,
        state: Any,
        traceback: Any = None,
        request: Any = None,
        **options: Any,
    ) -> Any:
        """Keep what `update_state` says beside its job, whatever it says; it fails no job."""
        run = runs.running_run(task_id)
        if run is not None:
            if state != states.STARTED:  # which the row says itself
                reported.tell_state(run.job, state, result)
            return result
        if request is None or getattr(request, "adopted_run", None) is not None:
            job = find_job(task_id)
            if job is not None:
                reported.tell_of(job, state, result)
                return result
        return self.host.store_result(task_id, result, state, traceback, request, **options)

    def mark_as_done(
        self, task_id: Any, result: Any, request: Any = None, store_result: bool = True, *rest: Any
    ) -> None:
        """Keep what a job's run returned; EncodeError where JSON can't carry it."""
        run = runs.running_run(task_id)
        if run is None:
            self.host.mark_as_done(task_id, result, request, store_result, *rest)
            return
        if store_result or run.job.headers.get(KEPT):
            run.keep_value(result)
        reported.tell_children(run.job, request)

    def mark_as_failure(self, task_id: Any, exc: Any, *rest: Any, **options: Any) -> Any:
        """Leave it to the run itself, where it is a job's."""
        if runs.running_run(task_id) is None:
            return self.host.mark_as_failure(task_id, exc, *rest, **options)
        return None

    def mark_as_retry(self, task_id: Any, exc: Any, *rest: Any, **options: Any) -> Any:
        """Leave it to the run itself, where it is a job's."""
        if runs.running_run(task_id) is None:
            return self.host.mark_as_retry(task_id, exc, *rest, **options)
        return None

    # -- waiting ---------------------------------------------------------------------------

    def add_pending_result(self, result: Any, weak: bool = False) -> Any:
        """Have the host's backend listen, unless it is a job, or a call that is being recorded."""
        if current() is None and find_job(result.id) is None:
            return self.host.add_pending_result(result, weak=weak)
        return result

    def remove_pending_result(self, result: Any) -> Any:
        """Have the host's backend listen no more."""
        return self.host.remove_pending_result(result)

    def wait_for_pending(
        self, result: Any, timeout: float | None = None, propagate: bool = True, **options: Any
    ) -> Any:
        """Wait for the end of a job, or of a plain task; it may become a job's id meanwhile.

        Raises:
            TimeoutError: Celery's, after `timeout` seconds.
            RuntimeError: the job was enqueued in the transaction that waits for it.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (job := find_job(result.id)) is None:
            left = None if deadline is None else deadline - time.monotonic()
            part = _SLICE if left is None else min(_SLICE, max(left, 0.0))
            try:
                return self.host.wait_for_pending(
                    result, timeout=part, propagate=propagate, **options
                )
            except CelerysTimeoutError:
                if left is not None and left <= _SLICE:
                    raise
        self._wait(job, deadline, options.get("on_interval"))
        return result.maybe_throw(propagate=propagate, callback=options.get("callback"))

    def _wait(self, job: Job, deadline: float | None, on_interval: Any = None) -> None:
        """Look at a job's row until it has ended."""
        pause = _FIRST
        while self.get_task_meta(job.id)["status"] not in states.READY_STATES:
            refuse_own_transaction(job.id)
            if deadline is not None and time.monotonic() >= deadline:
                raise CelerysTimeoutError("The operation timed out.")
            if on_interval is not None:
                on_interval()
            time.sleep(pause)
            pause = min(_LONGEST, pause * 1.5)

    def iter_native(self, result: Any, timeout: float | None = None, **options: Any) -> Any:
        """Yield what each of a set's results came to; jobs may be among them."""
        ids = [each.id for each in result.results if not hasattr(each, "results")]
        jobs = find_jobs(ids)
        if not jobs:
            return self.host.iter_native(result, timeout=timeout, **options)
        return self._iter_mixed(result.results, timeout, options)

    def _iter_mixed(
        self, results: Any, timeout: float | None, options: dict[str, Any]
    ) -> Iterator[tuple[Any, Any]]:
        deadline = None if timeout is None else time.monotonic() + timeout
        for each in results:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if hasattr(each, "results"):
                yield each.id, each.results
                continue
            each.get(timeout=left, propagate=False, disable_sync_subtasks=False)
            meta = each._get_task_meta()
            if options.get("on_message") is not None:
                options["on_message"](meta)
            yield each.id, meta


def wrap_backend(host: Any) -> Any:
    """Return the host's backend as one that knows jobs."""
    return host if isinstance(host, ResultBackend) else ResultBackend(host)
