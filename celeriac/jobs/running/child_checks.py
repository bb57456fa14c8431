"""The checks that a worker's parent makes of its children, by their journals.

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

from celeriac.jobs import metrics, nudge, outcomes, registry
from celeriac.jobs.log_names import job_names
from celeriac.jobs.losses import Loss
from celeriac.jobs.outcomes import Outcome
from celeriac.jobs.running.child_records import ChildJournal, ChildRecord
from celeriac.jobs.running.claim import claimed_jobs
from celeriac.jobs.running.finish import settle_what_is_free
from celeriac.jobs.running.run import Run
from celeriac.settings import conf

logger = logging.getLogger(__name__)


def kill_overdue(children: Iterable[ChildRecord]) -> list[UUID]:
    """Kill each child whose handler ran past its hard limit; return those jobs' ids."""
    killed = []
    for record in children:
        if record.alive and record.running and record.awake > record.running_until:
            logger.error("job %s ran past its hard limit: its child is killed", record.running)
            kill_child(record.pid)
            killed.append(record.running)
    return killed


def is_frozen(pid: int) -> bool:
    """Return whether somebody has stopped the process, as far as that can be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :][:1] in (b"T", b"t")


def halt_overlong(child: ChildJournal, record: ChildRecord) -> ChildRecord | None:
    """Let nothing more start behind a job that uses up its doorbell's time.

    Return what its journal said then, where something of the claim has not started: that can be
    taken back, since the child looks after it has noted a start.
    """
    budget = conf.DOORBELL_BUDGET_SECONDS
    claim_id = record.claim_id
    late = record.alive and claim_id and record.running and record.awake > record.opened + budget
    if not late or claim_id is None or not record.unstarted:
        return None
    halted = child.halt(claim_id)
    same = (halted.claim_id, halted.running) == (claim_id, record.running)
    return halted if same and halted.unstarted else None


def release_unstarted(record: ChildRecord) -> bool:
    """Release what has not started of a claim that was halted; return whether that is done."""
    runs = _runs(record, set(record.unstarted))
    for run in runs:
        run.decide(outcomes.released(f"it was claimed behind job {record.running}"))
    locked = settle_what_is_free(runs)
    metrics.count_ended(runs)
    if released := [run.job.id for run in runs if run.settled]:
        logger.info(
            "released what was claimed behind job %s: %s", record.running, job_names(released)
        )
    return not locked


def kill_child(pid: int) -> None:
    """Kill a child, which may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def settle_dead_child(
    record: ChildRecord, *, reason: str, loss: Loss = Loss.CHILD, blameless: bool = False
) -> bool:
    """Settle the claim of a dead child, which `loss` took along; return whether that is done.

    It is not while a lock of others' holds one of its jobs: come again.
    `blameless` charges nobody: the worker was stopped, which is no job's fault.
    """
    if record.claim_id is None:
        return True
    runs = _runs(record, set(record.ids))
    for run in runs:
        if run.job.id in record.ended:
            run.settlement = record.ended[run.job.id]
        else:
            run.decide(_ending(run, record, outcomes.loss(reason, loss), blameless))
    locked = settle_what_is_free(runs)
    metrics.count_ended(runs)
    if locked:
        ids = [run.job.id for run in locked]
        logger.warning("claim %s: somebody else has locked %s", record.claim_id, job_names(ids))
        return False
    if record.running:
        logger.warning("job %s was running when its process ended: %s", record.running, reason)
    # What it did not get to claim was rung for nothing, which nobody else knows.
    nudge.nudge_jobs(ids=[each for each in record.ids if each not in {run.job.id for run in runs}])
    return True


def _runs(record: ChildRecord, ids: Collection[UUID]) -> list[Run]:
    """Return the runs of those jobs that the claim still owns, as the ledger has them."""
    if record.claim_id is None:
        return []
    jobs = claimed_jobs(ids, claim_id=record.claim_id)
    return [Run(job, registry.get_or_default(job.kind), record.claim_id) for job in jobs]


def _ending(run: Run, record: ChildRecord, loss: Outcome, blameless: bool) -> Outcome:
    if run.job.id != record.running:
        return outcomes.released("its worker's child died before its turn")
    return outcomes.stopped() if blameless and loss.loss in run.kind.runs_again else loss
