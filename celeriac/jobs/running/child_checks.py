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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from uuid import UUID

from celeriac.jobs import metrics, nudge, outcomes
from celeriac.jobs.log_names import job_names
from celeriac.jobs.losses import Loss
from celeriac.jobs.outcomes import Outcome
from celeriac.jobs.running.child_records import ChildJournal, ChildRecord
from celeriac.jobs.running.claim import claimed_jobs
from celeriac.jobs.running.finish import settle_what_is_free
from celeriac.jobs.running.lost_kinds import kind_of_lost
from celeriac.jobs.running.run import Run
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Why the process of a job ended.
DIED = "its worker's process died"
NEIGHBOUR = "its process was killed: job {}, which ran there too, {}"
#: What is said of one that kept another from going on until that one's hard limit.
BLOCKED = "blocked the loop of its process until job {} was past its hard limit, and was killed"


def kill_overdue(records: Iterable[ChildRecord], note: Callable[[UUID, str], object]) -> None:
    """Kill a child in which a handler ran past its hard limit; `note` for which job, and why.

    It is that job's fault, or that of the one which kept it from going on. Before the kill:
    whoever finds the child dead must know whose fault it was.
    """
    for record in records:
        if record.alive and record.running and record.is_overdue:
            culprit, why = record.running, outcomes.OVERRAN
            if record.blocker not in (None, culprit):
                culprit, why = record.blocker, BLOCKED.format(record.running)
            logger.error("job %s %s", culprit, why)
            note(culprit, why)
            kill_child(record.pid)


def is_frozen(pid: int) -> bool:
    """Return whether somebody has stopped the process, as far as that can be seen."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            stat = file.read(1024)
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :][:1] in (b"T", b"t")


def holds_others_up(record: ChildRecord) -> bool:
    """Return whether a child's job uses up the time of its doorbell, and others wait behind it."""
    late = record.running and record.awake > record.opened + conf.DOORBELL_BUDGET_SECONDS
    return bool(record.alive and record.claim_id and late and record.unstarted)


def halt_overlong(child: ChildJournal, record: ChildRecord) -> ChildRecord | None:
    """Let nothing more start behind a job that uses up its doorbell's time.

    Return what its journal said then, where something of the claim has not started: that can be
    taken back, since the child looks after it has noted a start.
    """
    claim_id = record.claim_id
    if claim_id is None or not holds_others_up(record):
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
    records: Sequence[ChildRecord],
    killed: Mapping[UUID, str],
    *,
    reason: str = DIED,
    loss: Loss = Loss.CHILD,
    blameless: bool = False,
) -> bool:
    """Settle the claims of a dead child, which `loss` took along; return whether that is done.

    It is not while a lock of others' holds one of its jobs: come again. `killed` says because of
    which jobs its monitor killed it: they are charged, if they ran still, and no other is.
    `blameless` charges nobody: the worker was stopped, which is no job's fault.
    """
    spared = outcomes.stopped() if blameless else None
    ending = outcomes.loss(reason, loss)
    if killed:
        words = NEIGHBOUR.format(*min(killed.items()))
        ending, spared = outcomes.loss(words, Loss.CHILD), outcomes.cut_off(words)
    done = True
    for record in records:
        if record.running is not None and record.running in killed:
            overrun = outcomes.loss(killed[record.running], Loss.OVERRUN)
            done = _settle_claim(record, overrun, None) and done
        else:
            done = _settle_claim(record, ending, spared) and done
    return done


def _settle_claim(record: ChildRecord, ending: Outcome, spared: Outcome | None) -> bool:
    """Settle one claim of a dead child, what ran as `ending`; return whether that is done.

    It ends as `spared` instead, if given, where its kind runs again after such a loss.
    """
    if record.claim_id is None:
        return True
    runs = _runs(record, set(record.ids))
    for run in runs:
        if run.job.id in record.ended:
            run.settlement = record.ended[run.job.id]
        elif run.job.id == record.running:
            if spared is not None and ending.loss in run.kind.runs_again:
                ending = spared
            run.decide(ending)
        else:
            run.decide(outcomes.released("its worker's child died before its turn"))
    locked = settle_what_is_free(runs)
    metrics.count_ended(runs)
    if locked:
        ids = [run.job.id for run in locked]
        logger.warning("claim %s: somebody else has locked %s", record.claim_id, job_names(ids))
        return False
    if record.running:
        words = ending.message or ending.reason
        logger.warning("job %s was running when its process ended: %s", record.running, words)
    # What it did not get to claim was rung for nothing, which nobody else knows.
    nudge.nudge_jobs(ids=[each for each in record.ids if each not in {run.job.id for run in runs}])
    return True


def _runs(record: ChildRecord, ids: Collection[UUID]) -> list[Run]:
    """Return the runs of those jobs that the claim still owns, as the ledger has them."""
    if record.claim_id is None:
        return []
    jobs = claimed_jobs(ids, claim_id=record.claim_id)
    return [Run(job, kind_of_lost(job.kind), record.claim_id) for job in jobs]
