"""The watch that a worker's parent keeps over its children, through their slots.

A child that runs past its hard limit is killed. Of a dead child's claim, what
had ended is settled as it ended, the job that ran is charged one loss, and the
rest is released: neighbours pay nothing. What is left unstarted behind a job that
uses up its doorbell's time is taken back, so that no neighbour waits for it.
"""

import contextlib
import logging
import os
import signal
from collections.abc import Collection, Iterable
from pathlib import Path
from uuid import UUID

from celeriac.jobs import counted, nudge, outcomes, registry
from celeriac.jobs.naming import named
from celeriac.jobs.outcomes import Outcome
from celeriac.jobs.running.claim import held
from celeriac.jobs.running.finish import settle_what_is_free
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.wards import Trace, Ward
from celeriac.settings import conf

logger = logging.getLogger(__name__)


def kill_overdue(children: Iterable[Trace]) -> list[UUID]:
    """Kill each child whose handler ran past its hard limit; return those jobs' ids."""
    killed = []
    for trace in children:
        if trace.alive and trace.running and trace.awake > trace.running_until:
            logger.error("job %s ran past its hard limit: its child is killed", trace.running)
            kill(trace.pid)
            killed.append(trace.running)
    return killed


def is_frozen(pid: int) -> bool:
    """Return whether somebody has stopped the process, as far as that can be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :][:1] in (b"T", b"t")


def halt_overlong(ward: Ward, trace: Trace) -> Trace | None:
    """Let nothing more start behind a job that uses up its doorbell's time.

    Return what its slot said then, where something of the claim has not started: that can be
    taken back, since the child looks after it has noted a start.
    """
    budget = conf.DOORBELL_BUDGET_SECONDS
    claim_id = trace.claim_id
    late = trace.alive and claim_id and trace.running and trace.awake > trace.opened + budget
    if not late or claim_id is None or not trace.unstarted:
        return None
    halted = ward.halt(claim_id)
    same = (halted.claim_id, halted.running) == (claim_id, trace.running)
    return halted if same and halted.unstarted else None


def take_back(trace: Trace) -> bool:
    """Release what has not started of a claim that was halted; return whether that is done."""
    runs = _runs(trace, set(trace.unstarted))
    for run in runs:
        run.decide(outcomes.released(f"it was claimed behind job {trace.running}"))
    locked = settle_what_is_free(runs)
    counted.ended(runs)
    if released := [run.job.id for run in runs if run.settled]:
        logger.info("released, claimed behind job %s: %s", trace.running, named(released))
    return not locked


def kill(pid: int) -> None:
    """Kill a child, which may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def bury(trace: Trace, *, reason: str, blameless: bool = False) -> bool:
    """Settle the claim of a dead child; return whether that is done.

    It is not while a lock of others' holds one of its jobs: come again.
    `blameless` charges nobody: the worker was stopped, which is no job's fault.
    """
    if trace.claim_id is None:
        return True
    runs = _runs(trace, set(trace.ids))
    for run in runs:
        if run.job.id in trace.ended:
            run.settlement = trace.ended[run.job.id]
        else:
            run.decide(_ending(run.job.id, trace, reason, blameless))
    locked = settle_what_is_free(runs)
    counted.ended(runs)
    if locked:
        ids = [run.job.id for run in locked]
        logger.warning("of claim %s, %s wait for a lock", trace.claim_id, named(ids))
        return False
    if trace.running:
        logger.warning("job %s was running when its process ended: %s", trace.running, reason)
    # What it did not get to claim was rung for nothing, which nobody else knows.
    nudge.returned(ids=[each for each in trace.ids if each not in {run.job.id for run in runs}])
    return True


def _runs(trace: Trace, ids: Collection[UUID]) -> list[Run]:
    """Return the runs of those jobs that the claim still owns, as the ledger has them."""
    if trace.claim_id is None:
        return []
    jobs = held(ids, claim_id=trace.claim_id)
    return [Run(job, registry.get_or_default(job.kind), trace.claim_id) for job in jobs]


def _ending(job_id: UUID, trace: Trace, reason: str, blameless: bool) -> Outcome:
    if job_id != trace.running:
        return outcomes.released("its worker's child died before its turn")
    return outcomes.stopped() if blameless else outcomes.lost(reason)
