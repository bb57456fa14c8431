"""Where runs happen: one process's desk, and how it claims there."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from celeriac.breakers.options import longest_ramp
from celeriac.core import tables
from celeriac.core.sessions import renew
from celeriac.jobs import registry
from celeriac.jobs.naming import named
from celeriac.jobs.running.claim import ClaimedJob, Known, claim, held
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.runtimes import RunTimes
from celeriac.jobs.running.setbacks import Setbacks, Unfit, one_line
from celeriac.jobs.running.slots import NoSlot, Slot
from celeriac.jobs.running.surroundings import Surroundings

logger = logging.getLogger(__name__)

#: Whose ledger a session sees: a temporary table, a role or a search_path may put another before.
_SIGHT = f"""
SELECT current_user, '{tables.JOB}'::regclass::oid, '{tables.QUEUE}'::regclass::oid,
       '{tables.BREAKER}'::regclass::oid
"""


@dataclass(slots=True)
class Desk:
    """Where runs happen: which worker it is, what it knows, what watches it."""

    worker: UUID
    known: Known
    slot: Slot = field(default_factory=NoSlot)
    stopping: Callable[[], bool] = lambda: False
    #: Called when the database has answered: says that the worker lives where its watch can't.
    vouch: Callable[[], None] = lambda: None
    times: RunTimes = field(default_factory=RunTimes)
    setbacks: Setbacks = field(default_factory=Setbacks)
    #: Why this process is to be replaced once its doorbell is answered, or ''.
    retiring: str = ""
    #: Whether a handler has had the session since somebody looked what it sees.
    used: bool = False
    surroundings: Surroundings = field(default_factory=Surroundings)
    _sight: tuple[Any, ...] | None = None

    def look_around(self) -> bool:
        """Return whether this process is to be replaced, now that handlers have run in it."""
        if not self.retiring:
            self.retiring = self.surroundings.change()
        return bool(self.retiring)

    def answered(self) -> None:
        """Note that the database has answered: a claim, though it took nothing, or a settle."""
        self.slot.answered()
        self.vouch()

    def sees_ledger(self) -> bool:
        """Return whether what the session said may be believed; if not, it has been renewed.

        For answers that are rare, such as "nothing": the hot path never asks.
        """
        if not self.used or connection.in_atomic_block:
            return True
        self.used = False
        try:
            if self._sight is not None and _sight() == self._sight:
                return True
            renew()
            self._sight = _sight()
        except Exception as error:  # it sees no ledger at all
            logger.warning("this session can't say what it sees: %s", one_line(error))
            renew()
        return False


def knowledge() -> Known:
    """Return what this process can run, from the registry."""
    guarded = registry.guarded()
    return Known(
        tuple(registry.names()),
        tuple(name for name, _ in guarded),
        tuple(breaker for _, breaker in guarded),
        longest_ramp(),
    )


def claim_surely(ids: Sequence[UUID], *, claim_id: UUID, desk: Desk) -> list[Run]:
    """Claim those of `ids` that may start now; return their runs in id order, for each try.

    A claim whose answer was lost may have been made: it is kept, and asked for until the
    database has said what became of it. Raises Unfit, with the slot still vouching for it.
    """
    first = time.monotonic()
    lost = False
    while True:
        try:
            before = held(ids, claim_id=claim_id) if lost else []
            at = time.monotonic()
            jobs = [] if lost and desk.stopping() else _claim(ids, claim_id, desk)
            desk.answered()
        except Exception as error:
            text = "%s may be claimed, the answer was lost; asking again: %s"
            logger.warning(text, named(ids), one_line(error))
            desk.setbacks.endure(error)
            lost = True
        else:
            return runs_of(before, claim_id, first) + runs_of(jobs, claim_id, at)


def runs_of(jobs: Sequence[ClaimedJob], claim_id: UUID, at: float) -> list[Run]:
    """Return the runs of jobs whose claim was sent `at` then (monotonic); Unfit where it can't."""
    try:
        return [Run(job, registry.find(job.kind), claim_id, at) for job in jobs]
    except Exception as error:
        raise Unfit(f"what it claimed is left to its slot: {one_line(error)}") from error


def _claim(ids: Sequence[UUID], claim_id: UUID, desk: Desk) -> list[ClaimedJob]:
    jobs = claim(ids, claim_id=claim_id, worker=desk.worker, known=desk.known)
    if not jobs and not desk.sees_ledger():
        jobs = claim(ids, claim_id=claim_id, worker=desk.worker, known=desk.known)
    return jobs


def _sight() -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_SIGHT)
        row: tuple[Any, ...] = cursor.fetchone()
        return row
