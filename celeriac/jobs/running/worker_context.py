"""Where runs happen: one process's context, and how it claims in it."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection

from celeriac.breakers.options import longest_ramp
from celeriac.core import tables
from celeriac.core.sessions import renew_connection
from celeriac.jobs import registry
from celeriac.jobs.log_names import job_names
from celeriac.jobs.running.claim import Capabilities, ClaimedJob, claim_jobs, claimed_jobs
from celeriac.jobs.running.journals import Journal, NoJournal
from celeriac.jobs.running.process_state import ProcessState
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.runtimes import RunTimes
from celeriac.jobs.running.setbacks import Setbacks, UnfitProcess, one_line
from celeriac.jobs.running.wear import worn

logger = logging.getLogger(__name__)

#: Whose ledger a session sees: a temporary table, a role or a search_path may put another before.
_SIGHT = f"""
SELECT current_user, '{tables.JOB}'::regclass::oid, '{tables.QUEUE}'::regclass::oid,
       '{tables.BREAKER}'::regclass::oid
"""


@dataclass(slots=True)
class WorkerContext:
    """Where runs happen: which worker it is, what it knows, what watches it."""

    worker: UUID
    capabilities: Capabilities
    journal: Journal = field(default_factory=NoJournal)
    stopping: Callable[[], bool] = lambda: False
    #: Called when the database has answered: says that the worker lives where its monitor can't.
    write_sign: Callable[[], None] = lambda: None
    times: RunTimes = field(default_factory=RunTimes)
    setbacks: Setbacks = field(default_factory=Setbacks)
    #: Why this process is to be replaced once its doorbell is answered, or ''.
    retiring: str = ""
    #: Whether other jobs run in this process at the same time.
    has_neighbours: bool = False
    #: Whether a handler has had the session since somebody looked what it sees.
    used: bool = False
    #: How many jobs this process has run.
    ran: int = 0
    process_state: ProcessState = field(default_factory=ProcessState)
    _sight: tuple[Any, ...] | None = None

    def look_around(self) -> bool:
        """Return whether this process is to be replaced, now that handlers have run in it."""
        if not self.retiring:
            self.retiring = self.process_state.change()
        return bool(self.retiring)

    def count(self, runs: int) -> None:
        """Count what a doorbell ran; a process that has run or grown enough is to be replaced."""
        self.ran += runs
        if not self.retiring:
            self.retiring = worn(self.ran)

    def answered(self) -> None:
        """Note that the database has answered: a claim, though it took nothing, or a settle."""
        self.journal.answered()
        self.write_sign()

    def sees_ledger(self) -> bool:
        """Return whether what the session said may be believed; if not, it has been renewed.

        For answers that are rare, such as "nothing": the hot path never asks.
        """
        if not self.used or connection.in_atomic_block:
            return True
        self.used = False
        try:
            if self._sight is not None and _ledger_sight() == self._sight:
                return True
            renew_connection()
            self._sight = _ledger_sight()
        except Exception as error:  # it sees no ledger at all
            logger.warning("this session sees no ledger and is replaced: %s", one_line(error))
            renew_connection()
        return False


def capabilities() -> Capabilities:
    """Return what this process can run, from the registry."""
    guarded = registry.guarded_kinds()
    return Capabilities(
        tuple(registry.kind_names()),
        tuple(name for name, _ in guarded),
        tuple(breaker for _, breaker in guarded),
        tuple(registry.kinds_begun_once()),
        longest_ramp(),
    )


def claim_surely(ids: Sequence[UUID], *, claim_id: UUID, context: WorkerContext) -> list[Run]:
    """Claim those of `ids` that may start now; return their runs in id order, for each try.

    A claim whose answer was lost may have been made: it is kept, and asked for until the
    database has said what became of it. Raises UnfitProcess, its journal still vouching for it.
    """
    first = time.monotonic()
    lost = False
    while True:
        try:
            before = claimed_jobs(ids, claim_id=claim_id) if lost else []
            at = time.monotonic()
            jobs = [] if lost and context.stopping() else _claim_jobs(ids, claim_id, context)
            context.answered()
        except Exception as error:
            text = "%s may be claimed, the answer was lost; asking again: %s"
            logger.warning(text, job_names(ids), one_line(error))
            context.setbacks.endure(error)
            lost = True
        else:
            return runs_of(before, claim_id, first) + runs_of(jobs, claim_id, at)


def runs_of(jobs: Sequence[ClaimedJob], claim_id: UUID, at: float) -> list[Run]:
    """Return the runs of jobs whose claim was sent `at` then (monotonic), or UnfitProcess."""
    try:
        return [Run(job, registry.find_kind(job.kind), claim_id, at) for job in jobs]
    except Exception as error:
        raise UnfitProcess(f"what it claimed is left to its journal: {one_line(error)}") from error


def _claim_jobs(ids: Sequence[UUID], claim_id: UUID, context: WorkerContext) -> list[ClaimedJob]:
    claim = partial(
        claim_jobs,
        ids,
        claim_id=claim_id,
        worker=context.worker,
        known=context.capabilities,
        has_neighbours=context.has_neighbours,
    )
    jobs = claim()
    if not jobs and not context.sees_ledger():
        jobs = claim()
    return jobs


def _ledger_sight() -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_SIGHT)
        row: tuple[Any, ...] = cursor.fetchone()
        return row
