"""Answering a doorbell: claim, run one by one, settle together.

Between two handlers the claim is verified when it was last verified a while ago
(a stalled process must not run what is no longer its own), and what has not
started when the doorbell's time is used up, or when the worker stops, is
released. What has ended is in the slot before the next handler starts.
"""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection

from celeriac.core.away import is_away
from celeriac.core.sessions import forget_queries, renew
from celeriac.jobs import counted, nudge, outcomes, registry
from celeriac.jobs.naming import named
from celeriac.jobs.running import current, parking
from celeriac.jobs.running.claim import held, verify
from celeriac.jobs.running.desk import Desk, claim_surely, knowledge
from celeriac.jobs.running.finish import settle_surely
from celeriac.jobs.running.perform import Run, perform
from celeriac.jobs.running.setbacks import Unfit, one_line
from celeriac.jobs.running.settle import Entry, Settled
from celeriac.jobs.running.slots import SlotFull
from celeriac.jobs.states import Verb
from celeriac.settings import conf

__all__ = ["Desk", "Unfit", "answer", "knowledge"]

logger = logging.getLogger(__name__)

#: Seconds after which a claim is verified again before the next handler.
VERIFY_AFTER = 0.25
#: Seconds between two looks for a stop.
LOOK_AFTER = 0.01
#: A result of this many characters is settled at once, not kept in the slot.
LARGE_RESULT = 1 << 16
#: Seconds before a job is rung again that this platform, not its handler, could not run.
SPARED_FOR = 2.0


def answer(ids: Sequence[UUID], *, desk: Desk) -> list[Run]:
    """Run those of `ids` that may start now; return their runs, settled.

    Raises what went wrong outside of a handler, once what had ended is settled and the rest
    released; Unfit when this process must end, since it went wrong too often in a row or
    left what it holds to its slot.
    """
    runs: list[Run] = []
    try:
        _answer(ids, uuid4(), desk, runs)
    except Unfit:
        raise
    except Exception as error:
        if not all(run.settled for run in runs):
            # Another doorbell would overwrite the slot, which alone knows of them now.
            raise Unfit(f"what it ran is left to its slot: {one_line(error)}") from error
        with contextlib.suppress(Exception):  # it may be what is wrong
            desk.slot.close()
        desk.setbacks.endure(error)
        nudge.returned(ids=[each for each in ids if each not in {run.job.id for run in runs}])
        raise
    desk.setbacks.clear()
    return runs


def _answer(ids: Sequence[UUID], claim_id: UUID, desk: Desk, runs: list[Run]) -> None:
    current.heed(desk.stopping)
    desk.slot.open(claim_id, list(ids))
    found = claim_surely(ids, claim_id=claim_id, desk=desk)
    try:
        runs += [Run(job, registry.find(job.kind), claim_id, at) for job, at in found]
    except Exception as error:
        raise Unfit(f"what it claimed is left to its slot: {one_line(error)}") from error
    try:
        _run_in_turn(runs, desk)
        _forget_taken_back(runs, desk)
    except Exception as error:
        _spare(runs, error)
        raise
    finally:
        # Whatever stopped it: what has ended is written, and what never started goes back.
        _settle([run for run in runs if not run.is_cut_short], desk)
        if runs:
            desk.answered()
        _count(runs)
    if desk.setbacks.in_a_row:
        _release_latecomers(ids, claim_id, desk, runs)
    _tell(runs)
    # A slot left open would vouch for a claim that nobody works on any more. (When the
    # process itself dies it stays open, and tells the parent what ran.)
    desk.slot.close()
    desk.times.publish(desk.slot)
    if runs:
        desk.look_around()
    if settings.DEBUG:
        forget_queries()


def _run_in_turn(runs: list[Run], desk: Desk) -> None:
    deadline = time.monotonic() + conf.DOORBELL_BUDGET_SECONDS
    verified = runs[0].claimed_at if runs else 0.0
    looked, stopping = 0.0, False
    waiting = deque(runs)
    while waiting:
        now = time.monotonic()
        if now - looked > LOOK_AFTER:
            stopping = desk.stopping() or (looked > 0 and desk.look_around())
            looked = now
        if now - verified > VERIFY_AFTER:
            waiting, verified = deque(_still_owned(list(waiting), desk)), time.monotonic()
        # The first job runs in any case, or a slow claim would never get anything done.
        late = now > deadline and len(waiting) < len(runs)
        if late or stopping or not waiting:
            return
        if not _run_one(waiting.popleft(), runs, desk):
            return


def _run_one(run: Run, runs: list[Run], desk: Desk) -> bool:
    """Run it; return whether the next may run: not once the worker's parent has said so."""
    turned_away = parking.turned_away(run.job, run.kind)
    if turned_away is not None:
        run.outcome = turned_away
        _note(run, runs, desk)
        return True
    if not _may_start(run, runs, desk):
        return False
    desk.used = True
    perform(run)
    if run.outcome and run.outcome.verb is not Verb.COMPLETE:
        _lay_to_stop(run)
    desk.surroundings.set_back()
    desk.times.add(run.kind.name, run.ended_at - run.started_at)
    if run.settled is None:
        _note(run, runs, desk)
    return True


def _may_start(run: Run, runs: list[Run], desk: Desk) -> bool:
    try:
        return desk.slot.start(run.job.id, run.kind.hard_timeout)
    except SlotFull:
        _empty_slot(runs, desk)
        return desk.slot.start(run.job.id, run.kind.hard_timeout)


def _forget_taken_back(runs: list[Run], desk: Desk) -> None:
    """Drop what the parent has released: it is no lost claim."""
    unstarted = {run.job.id for run in runs if run.outcome is None}
    if not unstarted or not desk.slot.is_halted:
        return
    try:
        gone = unstarted - verify(unstarted, claim_id=runs[0].claim_id)
    except Exception as error:
        if not is_away(error):
            raise
        return  # the release of all of them goes on until it is answered
    runs[:] = [run for run in runs if run.job.id not in gone]


def _lay_to_stop(run: Run) -> None:
    """Say so where a handler gave way to the stop of its worker, also by `Cancelled`.

    A cancel that somebody asked for overtakes it when it is settled.
    """
    outcome = run.outcome
    if outcome is None or outcome.circuit or outcome.verb not in (Verb.SNOOZE, Verb.STOP):
        return
    if current.was_told_of_stop(run.claim_id, run.job.id):
        said = outcome.reason if outcome.verb is Verb.SNOOZE else ""
        run.outcome = outcomes.stopped(outcome.delay, said)


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
    _settle([run for run in runs if run.outcome is not None], desk)
    unstarted = [run for run in runs if run.outcome is None]
    desk.slot.open(runs[0].claim_id, [run.job.id for run in unstarted])


def _still_owned(waiting: list[Run], desk: Desk) -> list[Run]:
    claim_id = waiting[0].claim_id
    ids = [run.job.id for run in waiting]
    try:
        owned = verify(ids, claim_id=claim_id)
        if len(owned) < len(ids) and not desk.sees_ledger():
            owned = verify(ids, claim_id=claim_id)
    except Exception as error:
        if connection.in_atomic_block:
            raise
        logger.warning("%s can't be verified, so released: %s", named(ids), one_line(error))
        renew()
        _spare(waiting, error)
        return []
    if len(owned) < len(ids) and not desk.slot.is_halted:
        logger.warning("lost claim: no longer ours: %s", named(set(ids) - owned))
    return [run for run in waiting if run.job.id in owned]


def _spare(runs: list[Run], error: Exception) -> None:
    """Give back what has not started: at once after an outage, else not at full speed."""
    reason = f"its worker could not start it: {one_line(error)}"
    delay = 0.0 if is_away(error) else SPARED_FOR
    for run in runs:
        if run.outcome is None and not run.started_at:
            run.outcome = outcomes.released(reason, delay=delay)


def _release_latecomers(ids: Sequence[UUID], claim_id: UUID, desk: Desk, runs: list[Run]) -> None:
    """Give back what a claim took that was sent, taken for lost, and made after all."""
    known = {run.job.id for run in runs}
    try:
        late = [job for job in held(ids, claim_id=claim_id) if job.id not in known]
        latecomers = [Run(job, registry.find(job.kind), claim_id, time.monotonic()) for job in late]
        _settle(latecomers, desk)
    except Exception as error:
        raise Unfit(f"what it claimed is left to its slot: {one_line(error)}") from error
    runs += latecomers


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


def _settle(runs: list[Run], desk: Desk) -> None:
    open_runs = {run.job.id: run for run in runs if run.settled is None}
    entries = [run.entry() for run in open_runs.values()]
    for settled in _settle_believably(entries, desk):
        open_runs[settled.job_id].settled = settled


def _settle_believably(entries: list[Entry], desk: Desk) -> list[Settled]:
    """A refusal counts where the session sees the ledger: a handler may have hidden it."""
    settled = settle_surely(entries)
    refused = {row.job_id for row in settled if row.refused}
    if not refused or desk.sees_ledger():
        return settled
    again = settle_surely([entry for entry in entries if entry.job_id in refused])
    return [row for row in settled if not row.refused] + again
