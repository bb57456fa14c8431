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
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection

from celeriac.core import tables
from celeriac.jobs import counted, nudge, outcomes, registry
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.naming import named
from celeriac.jobs.outcomes import Limits, Outcome
from celeriac.jobs.registry import Kind
from celeriac.jobs.running.finish import settle_what_is_free
from celeriac.jobs.running.settle import Entry
from celeriac.jobs.running.wards import Trace, Ward
from celeriac.settings import conf

logger = logging.getLogger(__name__)

_FACTS = f"""
SELECT id, kind, attempt, failures, losses, max_attempts FROM {tables.JOB}
WHERE id = ANY(%s) AND state = 'running' AND claim_id = %s
ORDER BY id
"""


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
    unstarted = set(trace.unstarted)
    reason = f"it was claimed behind job {trace.running}"
    entries = [
        _entry(row, trace, outcomes.released(reason))
        for row in _facts(trace)
        if row[0] in unstarted
    ]
    settled, held = settle_what_is_free(entries)
    counted.taken_back(settled, entries)
    if settled:
        ids = [row.job_id for row in settled]
        logger.info("released, claimed behind job %s: %s", trace.running, named(ids))
    return not held


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
    entries = _entries(trace, reason, blameless)
    settled, held = settle_what_is_free(entries)
    counted.taken_back(settled, entries)
    if held:
        ids = [entry.job_id for entry in held]
        logger.warning("of claim %s, %s wait for a lock", trace.claim_id, named(ids))
        return False
    if trace.running:
        logger.warning("job %s was running when its process ended: %s", trace.running, reason)
    # What it did not get to claim was rung for nothing, which nobody else knows.
    nudge.returned(ids=[each for each in trace.ids if each not in {e.job_id for e in entries}])
    return True


def _entries(trace: Trace, reason: str, blameless: bool) -> list[Entry]:
    ended = {entry.job_id: entry for entry in trace.ended}
    return [
        ended.get(row[0]) or _entry(row, trace, _ending(row[0], trace, reason, blameless))
        for row in _facts(trace)
    ]


def _facts(trace: Trace) -> list[tuple[Any, ...]]:
    """Return what the ledger says of the jobs that the claim still owns."""
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [list(trace.ids), trace.claim_id])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _ending(job_id: UUID, trace: Trace, reason: str, blameless: bool) -> Outcome:
    if job_id != trace.running:
        return outcomes.released("its worker's child died before its turn")
    if blameless:
        return outcomes.stopped()
    return outcomes.lost(reason)


def _entry(row: tuple[Any, ...], trace: Trace, outcome: Outcome) -> Entry:
    job_id, name, attempt, failures, losses, max_attempts = row
    if trace.claim_id is None:
        raise ValueError(f"The slot of process {trace.pid} holds no claim.")
    kind: Kind | None = registry.get(name)
    retry, max_losses = (kind.retry, kind.max_losses) if kind else (Backoff(), 5)
    limits = Limits(failures, losses, max_attempts, max_losses)
    settlement = outcomes.decide(outcome, limits, retry, attempt=attempt)
    return Entry(job_id, trace.claim_id, settlement, outcome)
