"""The watch that a worker's parent keeps over its children, through their slots.

A child that runs past its hard limit is killed. Of a dead child's claim, what
had ended is settled as it ended, the job that ran is charged one loss, and the
rest is released: neighbours pay nothing.
"""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection

from apps.jobs import counted, nudge, outcomes, registry
from apps.jobs.backoff import Backoff
from apps.jobs.naming import named
from apps.jobs.outcomes import Limits, Outcome
from apps.jobs.registry import Kind
from apps.jobs.running.finish import settle_what_is_free
from apps.jobs.running.settle import Entry
from apps.jobs.running.slots import Trace, read

logger = logging.getLogger(__name__)

_FACTS = """
SELECT id, kind, attempt, failures, losses, max_attempts FROM jobs_job
WHERE id = ANY(%s) AND state = 'running' AND claim_id = %s
ORDER BY id
"""


def traces(folder: Path) -> list[Trace]:
    """Return what the children's slots in `folder` say."""
    found = []
    for path in sorted(folder.glob("*.slot")):
        try:
            found.append(read(path))
        except (FileNotFoundError, ValueError):
            continue  # it went away, or is not ours
    return found


def kill_overdue(children: Iterable[Trace]) -> list[UUID]:
    """Kill each child whose handler ran past its hard limit; return those jobs' ids."""
    now = time.monotonic()
    overdue = [trace for trace in children if trace.alive and trace.running]
    killed = []
    for trace in overdue:
        if trace.running and now > trace.running_until:
            logger.error("job %s ran past its hard limit: its child is killed", trace.running)
            kill(trace.pid)
            killed.append(trace.running)
    return killed


def kill(pid: int) -> None:
    """Kill a child, which may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def bury(folder: Path, trace: Trace, *, reason: str, blameless: bool = False) -> bool:
    """Settle the claim of a dead child and remove its slot; return whether that is done.

    It is not while a lock of others' holds one of its jobs: come again.
    `blameless` charges nobody: the worker was stopped, which is no job's fault.
    """
    if trace.claim_id is not None:
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
    (folder / f"{trace.pid}.slot").unlink(missing_ok=True)
    return True


def _entries(trace: Trace, reason: str, blameless: bool) -> list[Entry]:
    ended = {entry.job_id: entry for entry in trace.ended}
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [list(trace.ids), trace.claim_id])
        rows = cursor.fetchall()
    return [
        ended.get(row[0]) or _entry(row, trace, _ending(row[0], trace, reason, blameless))
        for row in rows
    ]


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
