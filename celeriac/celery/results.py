"""Celery's AsyncResult, answered by the ledger."""

from datetime import datetime
from functools import cached_property
from typing import Any, Literal, overload
from uuid import UUID

from celery import states
from celery.exceptions import TimeoutError as CelerysTimeoutError

from celeriac.jobs.errors import (
    InvalidOption,
    JobCancelled,
    JobFailed,
    JobNotFound,
    NoCurrentJob,
    TransitionRefused,
)
from celeriac.jobs.handle import JobHandle
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.operating.operate import cancel
from celeriac.jobs.running.current import current_job
from celeriac.jobs.states import ENDINGS, State

_STATES = {State.RUNNING: states.STARTED} | {each.state: each.celery for each in ENDINGS}


class ResultTimeout(CelerysTimeoutError, TimeoutError):
    """The job has not ended in time: Celery's TimeoutError, and Python's."""


class AsyncResult[R]:
    """A job of the ledger by its id, in Celery's words; each question asks the ledger.

    What Celery calls PENDING is a queued job, RETRY one that failed before, REVOKED a
    cancelled one. An id that is no job's is never PENDING.

    Raises:
        JobNotFound: when asked anything: there is no job of this id.
    """

    TimeoutError = ResultTimeout
    #: Jobs know no canvas.
    parent = children = None

    def __init__(self, id: str | UUID, **_: object) -> None:  # Celery's word; app=, task_name=, …
        self.id = str(id)

    @property
    def task_id(self) -> str:
        """The job's id."""
        return self.id

    @cached_property
    def handle(self) -> JobHandle[R]:
        """The job in the ledger's own words."""
        try:
            return JobHandle(UUID(self.id))
        except ValueError:
            raise JobNotFound(
                f"{self.id!r} is no job's id; celery.result.AsyncResult has the results of plain "
                "Celery tasks."
            ) from None

    @property
    def state(self) -> str:
        """PENDING, RETRY, STARTED, SUCCESS, FAILURE or REVOKED."""
        return state_of(self._job())

    status = state

    @property
    def result(self) -> Any:
        """What it returned; JobFailed or JobCancelled where it ended so; else its progress."""
        job = self._job()
        if job.state == State.SUCCEEDED:
            return job.result
        if job.state == State.CANCELLED:
            return JobCancelled(job.error)
        if job.is_finished or state_of(job) == states.RETRY:
            return JobFailed(job.error)
        return job.progress

    info = result

    @property
    def traceback(self) -> str | None:
        """The traceback of the last run that failed."""
        failed = Attempt.objects.filter(job_id=self.handle.id).exclude(traceback="")
        return failed.order_by("-number").values_list("traceback", flat=True).first()

    @property
    def date_done(self) -> datetime | None:
        """When it ended."""
        return self._job().finished_at

    @property
    def name(self) -> str:
        return self._job().kind

    @property
    def args(self) -> list[Any]:
        """Nothing: the ledger names all arguments, see kwargs."""
        return []

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments by name."""
        return dict(self._job().args)

    @property
    def queue(self) -> str:
        """Where it waits."""
        return self._job().queue

    @property
    def retries(self) -> int:
        """How many of its runs have failed."""
        return self._job().failures

    @overload
    def get(
        self,
        timeout: float | None = None,
        propagate: Literal[True] = True,
        interval: float = 0.5,
        disable_sync_subtasks: bool = True,
        **options: object,
    ) -> R: ...
    @overload
    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        disable_sync_subtasks: bool = True,
        **options: object,
    ) -> R | JobFailed | JobCancelled: ...
    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        disable_sync_subtasks: bool = True,
        **options: object,
    ) -> R | JobFailed | JobCancelled:
        """Wait for the end and return the result.

        Raises:
            JobFailed: the job ended dead, or without a result; `propagate=False` returns it.
            JobCancelled: it ended cancelled; `propagate=False` returns it.
            JobNotFound: it was pruned, or never committed.
            ResultTimeout: it has not ended after `timeout` seconds.
            InvalidOption: the ledger has no such option.
            RuntimeError: within a job, as in Celery: all slots may be taken by jobs that wait.
        """
        if given := [name for name, value in options.items() if value not in (None, True)]:
            raise InvalidOption(f"AsyncResult.get() has no {given[0]!r} on the ledger: drop it.")
        if disable_sync_subtasks:
            _refuse_within_job()
        try:
            return self.handle.get(timeout)
        except TimeoutError as error:
            raise ResultTimeout(str(error)) from None
        except (JobFailed, JobCancelled) as error:
            if propagate:
                raise
            return error

    wait = get

    def ready(self) -> bool:
        """Whether it has ended, however."""
        return self._job().is_finished

    def successful(self) -> bool:
        """Whether it succeeded."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Whether it ended dead."""
        return self.state == states.FAILURE

    def revoke(self, terminate: bool = False, **_: object) -> None:
        """Cancel the job: at once while it is queued, at its own next look while it runs.

        Raises:
            JobNotFound: it was pruned, or never committed.
            InvalidOption: `terminate` would kill its neighbours, too.
        """
        if terminate:
            raise InvalidOption(
                "revoke(terminate=True) kills a process and its neighbours: the handler stops "
                "where it asks current_job().should_stop(), or at its time limit."
            )
        try:
            cancel(self.handle.id, reason="revoked")
        except TransitionRefused:
            return  # it has ended, which Celery does not mind

    def forget(self) -> None:
        """Refuse: the ledger keeps its rows as long as the kind's retention says.

        Raises:
            InvalidOption: always.
        """
        raise InvalidOption("forget() is no use: declare the kind with retention= (in days).")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncResult) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<AsyncResult: {self.id}>"

    def _job(self) -> Job:
        job = Job.objects.filter(pk=self.handle.id).first()
        if job is None:
            raise JobNotFound(f"There is no job {self.id}: it was pruned, or never committed.")
        return job


def state_of(job: Job) -> str:
    """Return a job's state as Celery would call it."""
    waiting = states.RETRY if job.failures else states.PENDING
    return _STATES.get(State(job.state), waiting)


def _refuse_within_job() -> None:
    try:
        job = current_job()
    except NoCurrentJob:
        return
    raise RuntimeError(
        f"Never call result.get() within a job ({job.kind}): enqueue what follows with "
        "current_job().enqueue(step, kind, args)."
    )
