"""Answering a doorbell: claim, run one by one, settle together.

Between two handlers the claim is verified when it was last verified a while ago
(a stalled process must not run what is no longer its own), and what has not
started when the doorbell's time is used up, or when the worker stops, is
released. What has ended is in the slot before the next handler starts.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from apps.breakers.options import longest_ramp
from apps.jobs import counted, registry
from apps.jobs.running import parking
from apps.jobs.running.claim import ClaimedJob, Known, claim, held, verify
from apps.jobs.running.finish import settle_surely
from apps.jobs.running.perform import Run, perform
from apps.jobs.running.runtimes import RunTimes
from apps.jobs.running.slots import NoSlot, Slot, SlotFull

logger = logging.getLogger(__name__)

#: Seconds after which a claim is verified again before the next handler.
VERIFY_AFTER = 0.25
#: Seconds between two looks for a stop.
LOOK_AFTER = 0.01
#: A result of this many characters is settled at once, not kept in the slot.
LARGE_RESULT = 1 << 16


@dataclass(slots=True)
class Desk:
    """Where runs happen: which worker it is, what it knows, what watches it."""

    worker: UUID
    known: Known
    slot: Slot = field(default_factory=NoSlot)
    stopping: Callable[[], bool] = lambda: False
    times: RunTimes = field(default_factory=RunTimes)


def knowledge() -> Known:
    """Return what this process can run, from the registry."""
    guarded = registry.guarded()
    return Known(
        tuple(registry.names()),
        tuple(name for name, _ in guarded),
        tuple(breaker for _, breaker in guarded),
        longest_ramp(),
    )


def answer(ids: Sequence[UUID], *, desk: Desk) -> list[Run]:
    """Run those of `ids` that may start now; return their runs, settled."""
    claim_id = uuid4()
    desk.slot.open(claim_id, list(ids))
    try:
        runs = _answer(ids, claim_id, desk)
    except Exception:
        # A slot left open would vouch for a claim that nobody works on any more. (When the
        # process itself dies it stays open, and tells the parent what ran.)
        desk.slot.close()
        raise
    desk.slot.close()
    desk.times.publish(desk.slot)
    return runs


def _answer(ids: Sequence[UUID], claim_id: UUID, desk: Desk) -> list[Run]:
    claimed_at = time.monotonic()
    jobs = _claim(ids, claim_id, desk)
    runs = [Run(job, registry.find(job.kind), claim_id, claimed_at) for job in jobs]
    try:
        _run_in_turn(runs, desk)
    finally:
        # Whatever stopped it: what has ended is written, and what never started goes back.
        _settle([run for run in runs if not run.is_cut_short])
        if runs:
            desk.slot.answered()
        _count(runs)
    _tell(runs)
    return runs


def _claim(ids: Sequence[UUID], claim_id: UUID, desk: Desk) -> list[ClaimedJob]:
    """Claim, once more on a fresh connection where the old one was found broken."""
    for last in (False, True):
        try:
            before = held(ids, claim_id=claim_id) if last else []
            jobs = before + claim(ids, claim_id=claim_id, worker=desk.worker, known=desk.known)
            desk.slot.answered()
            return jobs
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block:
                raise
            connection.close()
            if last:
                # The doorbell is worth nothing: the dispatcher rings again.
                logger.warning("claim failed, %d jobs stay queued: %s", len(ids), error)
    return []


def _run_in_turn(runs: list[Run], desk: Desk) -> None:
    deadline = time.monotonic() + settings.JOBS_DOORBELL_BUDGET_SECONDS
    verified = runs[0].claimed_at if runs else 0.0
    looked, stopping = 0.0, False
    waiting = deque(runs)
    while waiting:
        now = time.monotonic()
        if now - looked > LOOK_AFTER:
            looked, stopping = now, desk.stopping()
        if now - verified > VERIFY_AFTER:
            waiting, verified = deque(_still_owned(list(waiting))), time.monotonic()
        # The first job runs in any case, or a slow claim would never get anything done.
        late = now > deadline and len(waiting) < len(runs)
        if late or stopping or not waiting:
            return
        run = waiting.popleft()
        _run_one(run, runs, desk)


def _run_one(run: Run, runs: list[Run], desk: Desk) -> None:
    run.outcome = parking.turned_away(run.job, run.kind)
    if run.outcome is not None:
        return
    try:
        desk.slot.start(run.job.id, run.kind.hard_timeout)
    except SlotFull:
        _empty_slot(runs, desk)
        desk.slot.start(run.job.id, run.kind.hard_timeout)
    perform(run)
    desk.times.add(run.kind.name, run.ended_at - run.started_at)
    if run.settled is None:
        _note(run, runs, desk)


def _note(run: Run, runs: list[Run], desk: Desk) -> None:
    """Leave the outcome in the slot; settle at once what is too large for it."""
    entry = run.entry()
    try:
        if len(entry.settlement.result or "") > LARGE_RESULT:
            raise SlotFull
        desk.slot.end(entry)
    except SlotFull:
        _empty_slot(runs, desk)


def _empty_slot(runs: list[Run], desk: Desk) -> None:
    _settle([run for run in runs if run.outcome is not None])
    unstarted = [run for run in runs if run.outcome is None]
    desk.slot.open(runs[0].claim_id, [run.job.id for run in unstarted])


def _still_owned(waiting: list[Run]) -> list[Run]:
    claim_id = waiting[0].claim_id
    try:
        owned = verify([run.job.id for run in waiting], claim_id=claim_id)
    except (OperationalError, InterfaceError) as error:
        if connection.in_atomic_block:
            raise
        logger.warning("claim %s can't be verified, its rest is released: %s", claim_id, error)
        connection.close()
        return []
    if len(owned) < len(waiting):
        lost = len(waiting) - len(owned)
        logger.warning("lost claim: %d jobs of claim %s are no longer ours", lost, claim_id)
    return [run for run in waiting if run.job.id in owned]


def _tell(runs: list[Run]) -> None:
    """Tell each kind that asked for it what became of its runs; nothing can fail a job here."""
    for run in runs:
        if run.kind.on_settled is None or run.settled is None or run.settled.refused:
            continue
        try:
            run.kind.on_settled(run)
        except Exception:
            logger.exception("job %s has ended, but telling it failed", run.job.id)


def _count(runs: list[Run]) -> None:
    counted.ended(
        (run.settled, run.entry(), run.job.waited + run.started_at - run.claimed_at)
        for run in runs
        if run.settled is not None
    )


def _settle(runs: list[Run]) -> None:
    open_runs = {run.job.id: run for run in runs if run.settled is None}
    for settled in settle_surely([run.entry() for run in open_runs.values()]):
        open_runs[settled.job_id].settled = settled
