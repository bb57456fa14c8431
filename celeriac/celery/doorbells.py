"""Answering a doorbell: what Celery sees of it, and what becomes of a child that can't.

A child whose process is unfit, or that was told to retire, ends after its doorbell; the
pool starts another in its place. Nothing of that is a task's failure to Celery.
"""

import logging
import os
from collections import Counter
from typing import Any, NoReturn
from uuid import UUID, uuid4

from billiard import current_process
from celery.exceptions import Ignore, Retry, WorkerShutdown
from celery.worker.request import Request
from celery.worker.state import task_ready

from celeriac.celery import messages
from celeriac.celery.headers import DOORBELL, HEADER
from celeriac.celery.worker import (
    doorbell_context,
    has_plain_tasks_alone,
    open_line,
    slot_pool,
)
from celeriac.jobs import invalid_messages, metrics, nudge
from celeriac.jobs.errors import JobFailed
from celeriac.jobs.log_names import job_names
from celeriac.jobs.open_line import MOST_IDS
from celeriac.jobs.running import execute
from celeriac.jobs.running.execute import UnfitProcess
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.setbacks import one_line
from celeriac.jobs.running.wear import Worn
from celeriac.jobs.states import State, Verb

logger = logging.getLogger(__name__)


class Retired(SystemExit):
    """This child ends after its doorbell: a result like any other, to the pool."""


class DoorbellRequest(Request):
    """A doorbell as the worker's parent sees it."""

    def __init__(self, message: Any, **options: Any) -> None:
        headers = options.pop("headers", None) or message.headers
        if headers.get(HEADER) != DOORBELL:
            headers = messages.without_times(headers)
        super().__init__(message, headers=headers, **options)

    def __setattr__(self, name: str, value: object) -> None:
        """Set it, but for the limits: the monitor ends what runs too long, not the broker."""
        if name != "time_limits":
            super().__setattr__(name, value)

    def on_accepted(self, pid: Any, time_accepted: float) -> None:
        """Have a doorbell acknowledged once a child has it: its child may stay on the open line.

        Where a project says `task_acks_late`, the worker would fetch no other message meanwhile.
        """
        super().on_accepted(pid, time_accepted)
        if self.request_dict.get(HEADER) == DOORBELL:
            self.acknowledge()

    def on_failure(
        self,
        exc_info: Any,
        send_failed_event: bool = True,
        return_ok: bool = False,
    ) -> None:
        """Note that the doorbell is done with, though its child ended itself."""
        error = exc_info.exception
        if isinstance(getattr(error, "exc", error), Retired):
            task_ready(self)
            self.acknowledge()
            return
        super().on_failure(exc_info, send_failed_event, return_ok)


def answer_doorbell(ids: Any) -> str | None:
    """Answer a doorbell; return what became of it where not all of it simply succeeded.

    For a single id Celery's state mirrors the outcome. Where nothing was run Celery is told
    to ignore the message: it did not succeed in anything. Then the child stays on the open line,
    of whose doorbells Celery knows nothing. Of a queue with many slots it hears nothing more, and
    no such child is on the line: its jobs end later.
    """
    jobs = _read_ids(ids)
    if has_plain_tasks_alone():
        logger.warning(
            "a worker of plain tasks was rung for %s: it can't run them", job_names(jobs)
        )
        raise Ignore
    runs = _run_jobs(jobs)
    if runs is None:
        return None
    if all(run.settled is None or run.is_refused for run in runs):
        _say_nothing_came_of_it(jobs, runs)
    if len(jobs) == 1:
        _mirror(runs[0])
    if (line := open_line()) is not None:
        line.stay(_run_jobs)
    return _summary(runs)


def answer_canary() -> None:
    """Answer a canary: a claim that takes nothing shows that this process can."""
    _run_jobs([uuid4()])


def _run_jobs(jobs: list[UUID]) -> list[Run] | None:
    """Return the runs, settled; None where they go on after this in slots of their own."""
    try:
        here = doorbell_context()
    except Exception as error:  # without its journal nobody would know what ran here
        logger.exception("this process has no journal, and hands back %s", job_names(jobs))
        nudge.nudge_jobs(ids=jobs)
        _retire(f"it has no journal: {one_line(error)}")
    runs = None
    try:
        if (pool := slot_pool()) is not None:
            pool.answer(jobs)
        else:
            runs = execute.answer_doorbell(jobs, context=here)
    except UnfitProcess as error:
        _retire(str(error))
    except Exception:
        logger.exception("the doorbell of %s was not answered", job_names(jobs))
        raise Ignore from None
    metrics.count_answer("worker")
    if here.retiring:
        _retire(here.retiring)
    return runs


def _read_ids(ids: Any) -> list[UUID]:
    try:
        jobs = [UUID(job_id) for job_id in ids]
        if not 0 < len(jobs) <= MOST_IDS:
            raise ValueError(f"{len(jobs)} ids")
    except (TypeError, ValueError, AttributeError) as error:
        invalid_messages.drop_message("queue", ids, error)
        raise Ignore from None
    return jobs


def _retire(reason: str) -> NoReturn:
    level = logging.INFO if isinstance(reason, Worn) else logging.ERROR
    logger.log(level, "process %d ends and is replaced: %s", os.getpid(), reason)
    if current_process().name == "MainProcess":
        raise WorkerShutdown(1)  # a solo worker: whoever started it starts it again
    raise Retired(0)


def _say_nothing_came_of_it(jobs: list[UUID], runs: list[Run]) -> NoReturn:
    if runs:
        logger.warning(
            "the claim of %s was lost: what it would have written was refused", job_names(jobs)
        )
    else:
        logger.info(
            "nothing was claimed of %s: another was faster, or it may not start now",
            job_names(jobs),
        )
    raise Ignore


def _summary(runs: list[Run]) -> str | None:
    for run in runs:
        if run.settled is None or run.settled.state is not State.SUCCEEDED:
            break
    else:
        return None  # almost always, so it must cost next to nothing
    states = Counter(run.settled.state for run in runs if run.settled)
    return ", ".join(f"{count} {state or 'refused'}" for state, count in states.items())


def _mirror(run: Run) -> None:
    settlement, settled = run.settlement, run.settled
    if run.outcome is None or settled is None or settlement.verb is Verb.COMPLETE:
        return
    said = f"{settlement.error_class}: {settlement.message}"
    if settled.state is State.DEAD:
        raise JobFailed(f"{run.kind.name} {run.job.id}: {said}")
    if settlement.verb is Verb.RETRY and settled.state is State.QUEUED:
        raise Retry(said)
    raise Ignore
