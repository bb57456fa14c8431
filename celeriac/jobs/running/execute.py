"""Answering a doorbell: each of its jobs is a run, which goes through six steps.

1. Claim: those of its rows that may start become runs here (worker_context.py, claim.py).
2. Perform: the handler runs, within its limits, to an outcome (perform.py).
3. Decide: what the outcome makes of the job is its settlement (outcomes.py).
4. Record: the settlement is in the journal before the next handler starts (journals.py): should
   this process die, its parent settles what had ended as it ended (child_checks.py).
5. Settle: all of the doorbell's are written together, fenced by their claim (settle.py, finish.py).
6. Follow up: who waits is woken (finish.py), runs are counted, kinds that asked for it are told.

Steps 2 to 4 are taken by one run after the other, see turns.py. A transactional kind that succeeds
is settled in step 2, as the last statement of its own transaction; what follows a death is
enqueued in step 5, in the transaction that writes the death.
"""

import contextlib
import logging
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

from django.conf import settings

from celeriac.core.sessions import forget_queries
from celeriac.jobs import metrics, nudge, outcomes
from celeriac.jobs.outcomes import Outcome
from celeriac.jobs.running import current, parking, soft_limit, turns, wear
from celeriac.jobs.running.claim import claimed_jobs
from celeriac.jobs.running.finish import settle_surely
from celeriac.jobs.running.journals import JournalFull
from celeriac.jobs.running.perform import perform_run
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.setbacks import UnfitProcess, one_line
from celeriac.jobs.running.worker_context import (
    WorkerContext,
    capabilities,
    claim_surely,
    runs_of,
)
from celeriac.jobs.states import Verb

__all__ = ["UnfitProcess", "WorkerContext", "answer_doorbell", "capabilities"]

logger = logging.getLogger(__name__)

#: A result, or other arguments, of so many characters is settled at once, not kept in the journal.
LARGE_RESULT = 1 << 16


def answer_doorbell(ids: Sequence[UUID], *, context: WorkerContext) -> list[Run]:
    """Run those of `ids` that may start now; return their runs, settled.

    Raises what went wrong outside of a handler, once what had ended is settled and the rest
    released; UnfitProcess when this process must end, since it went wrong too often in a row or
    left what it holds to its journal.
    """
    runs: list[Run] = []
    if (left := wear.jobs_left(context.ran)) is not None and len(ids) > left:
        nudge.nudge_jobs(ids=ids[left:])
        ids = ids[:left]
    try:
        _answer_doorbell(ids, uuid4(), context, runs)
    except UnfitProcess:
        raise
    except Exception as error:
        if not all(run.settled for run in runs):
            # Another doorbell would overwrite the journal, which alone knows of them now.
            raise UnfitProcess(f"what it ran is left to its journal: {one_line(error)}") from error
        with contextlib.suppress(Exception):  # it may be what is wrong
            context.journal.close()
        context.setbacks.endure(error)
        nudge.nudge_jobs(ids=[each for each in ids if each not in {run.job.id for run in runs}])
        raise
    context.setbacks.clear()
    return runs


def _answer_doorbell(
    ids: Sequence[UUID], claim_id: UUID, context: WorkerContext, runs: list[Run]
) -> None:
    current.set_stop_check(context.stopping)
    context.journal.open(claim_id, list(ids))
    runs += claim_surely(ids, claim_id=claim_id, context=context)  # 1
    try:
        for run in turns.in_turn(runs, context):
            if not take_turn(run, runs, context):
                break
        turns.forget_taken_back(runs, context)
    except Exception as error:
        turns.spare(runs, error)
        raise
    finally:
        soft_limit.drop_timer()
        # Whatever stopped it: what has ended is written, and what never started goes back.
        settle_and_count([run for run in runs if not run.is_cut_short], context)
    if context.setbacks.in_a_row:
        runs += release_latecomers(ids, claim_id, context, runs)
    tell_kinds(runs)  # 6
    # A journal left open would vouch for a claim that nobody works on any more. (When the
    # process itself dies it stays open, and tells the parent what ran.)
    context.journal.close()
    context.times.publish(context.journal)
    if runs:
        context.look_around()
        context.count(len(runs))
    if settings.DEBUG:
        forget_queries()


def take_turn(run: Run, runs: list[Run], context: WorkerContext) -> bool:
    """Take one of the `runs` of a claim through steps 2 to 4; return whether the next may."""
    if turn_away(run):  # 3
        pass
    elif _may_start(run, runs, context):
        _perform(run, context)  # 2, 3
    else:
        return False
    if run.settled is None:
        _record(run, runs, context)  # 4
    return True


def turn_away(run: Run) -> bool:
    """Take its place behind its circuit; return whether there is none, which is decided then."""
    if run.job.gated and (outcome := parking.turn_away_outcome(run.job, run.kind)):
        run.decide(outcome)
        return True
    return False


def settle_and_count(runs: list[Run], context: WorkerContext) -> None:
    """Take the runs through step 5, and count them."""
    _settle(runs, context)  # 5
    if runs:
        context.answered()
    metrics.count_ended(runs)  # 6


def _may_start(run: Run, runs: list[Run], context: WorkerContext) -> bool:
    """Record the start; return False once the worker's parent has said that nothing may start."""
    try:
        return context.journal.start(run.job.id, run.limits[1])
    except JournalFull:
        _empty_journal(runs, context)
        return context.journal.start(run.job.id, run.limits[1])


def _perform(run: Run, context: WorkerContext) -> None:
    context.used = True
    perform_run(run)
    note_end(run, context)


def note_end(run: Run, context: WorkerContext) -> None:
    """Note what follows from the end of a handler, but for its settlement."""
    if run.outcome and run.outcome.verb in (Verb.SNOOZE, Verb.STOP):
        _note_stop(run, run.outcome)
    context.process_state.set_back()
    context.times.add(run.kind.name, run.ended_at - run.started_at)


def _note_stop(run: Run, outcome: Outcome) -> None:
    """Say so where a handler gave way to the stop of its worker, also by `Cancelled`.

    A cancel that somebody asked for overtakes it when it is settled.
    """
    if not outcome.circuit and current.was_told_of_stop(run.claim_id, run.job.id):
        said = outcome.reason if outcome.verb is Verb.SNOOZE else ""
        run.decide(outcomes.stopped(outcome.delay, said))


def _record(run: Run, runs: list[Run], context: WorkerContext) -> None:
    """Leave the settlement in the journal; settle at once what is too large for it."""
    try:
        if len(run.settlement.result or run.settlement.changes or "") > LARGE_RESULT:
            raise JournalFull
        context.journal.end(run.job.id, run.settlement)
    except JournalFull:
        _empty_journal(runs, context)


def _empty_journal(runs: list[Run], context: WorkerContext) -> None:
    _settle([run for run in runs if run.outcome is not None], context)
    unstarted = [run.job.id for run in runs if run.outcome is None]
    context.journal.open(runs[0].claim_id, unstarted)


def _settle(runs: list[Run], context: WorkerContext) -> None:
    """Settle; a refusal counts where the session sees the ledger: a handler may have hidden it."""
    waiting = [run for run in runs if run.settled is None]
    settle_surely(waiting)
    refused = [run for run in waiting if run.is_refused]
    if refused and not context.sees_ledger():
        for run in refused:
            run.settled = None
        settle_surely(refused)


def release_latecomers(
    ids: Sequence[UUID], claim_id: UUID, context: WorkerContext, runs: list[Run]
) -> list[Run]:
    """Give back what a claim took that was sent, taken for lost, and made after all."""
    known = {run.job.id for run in runs}
    try:
        late = [job for job in claimed_jobs(ids, claim_id=claim_id) if job.id not in known]
        latecomers = runs_of(late, claim_id, time.monotonic())
        _settle(latecomers, context)
    except Exception as error:
        raise UnfitProcess(f"what it claimed is left to its journal: {one_line(error)}") from error
    return latecomers


def tell_kinds(runs: list[Run]) -> None:
    """Tell each kind that asked for it what became of its runs; nothing can fail a job here."""
    for run in runs:
        if run.kind.on_settled is None or run.settled is None or run.is_refused:
            continue
        try:
            run.kind.on_settled(run)
        except Exception:
            logger.exception("job %s has ended, but telling it failed", run.job.id)
