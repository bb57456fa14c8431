"""What the pages of bulk actions show."""

from typing import Any

from celeriac.console.actions.models import BulkAction, BulkState
from celeriac.console.explaining.explain import view_of_job, waiting_reasons
from celeriac.core import tables
from celeriac.core.queries import fetch_rows
from celeriac.jobs import redaction
from celeriac.jobs.models import Job
from celeriac.jobs.operating.actions import ACTIONS
from celeriac.jobs.operating.dead import acknowledged_dead

#: Dead jobs that the page of dead letters looks at, the latest first.
LATEST_DEAD = 100_000

#: The class is what stands before the colon of the one-line error (outcomes.py writes it so).
_DEAD = f"""
SELECT kind, split_part(error, ':', 1) AS error_class, count(*),
    max(finished_at), (array_agg(id ORDER BY finished_at DESC))[1]
FROM (
    SELECT id, kind, error, finished_at FROM {tables.JOB}
    WHERE state = 'dead' ORDER BY finished_at DESC LIMIT %s
) AS latest
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 200
"""


def dead_letters() -> list[dict[str, Any]]:
    """Return the dead jobs by kind and class of error, the largest group first.

    `error` is that of each group's latest job, its secrets redacted; `dealt_with` is up to when
    somebody said that these are dealt with.
    """
    names = ("kind", "error_class", "count", "latest", "job")
    groups = [dict(zip(names, row, strict=True)) for row in fetch_rows(_DEAD, [LATEST_DEAD])]
    done = acknowledged_dead()
    jobs = Job.objects.only("kind", "args", "error").in_bulk([group["job"] for group in groups])
    for group in groups:
        job = jobs.get(group["job"])  # somebody may have pruned it in between
        said = [done[name] for name in ("", group["kind"]) if name in done]
        group["dealt_with"] = max(said, default=None)
        group["error"] = redaction.redactor_for(job.kind, job.args).text(job.error) if job else ""
    return groups


def bulk_facts(bulk: BulkAction) -> dict[str, Any]:
    """Return what the progress page shows, refreshed by its script."""
    done = bulk.state == BulkState.FINISHED
    percent = 100 if done else _percent(bulk.seen, bulk.total)
    return {
        "state": bulk.state,
        "open": bulk.state in (BulkState.WAITING, BulkState.RUNNING),
        "percent": percent,
        "seen": bulk.seen,
        "total": bulk.total,
        "changed": bulk.changed,
        "sentence": progress_sentence(bulk),
        "note": bulk.error or _why_it_waits(bulk),
    }


def progress_sentence(bulk: BulkAction) -> str:
    """Return how it stands, in a sentence."""
    action = ACTIONS.get(bulk.verb)
    done = action.done if action else bulk.verb
    of = f" of {bulk.total:,}" if bulk.total is not None else ""
    left = f"; {bulk.untouched:,} left as they were" if bulk.untouched else ""
    walked = f"{bulk.changed:,}{of} {done}{left}."
    match bulk.state:
        case BulkState.WAITING:
            return f"Waits for its turn{f': {bulk.total:,} jobs' if of else ''}."
        case BulkState.FINISHED:
            return f"Finished: {walked}"
        case BulkState.RUNNING:
            return f"Under way: {walked}"
    return f"{str(bulk.state).capitalize()}: {walked}"


def _percent(seen: int, total: int | None) -> int | None:
    if total is None:
        return None
    return min(99, seen * 100 // total) if total else 0


def _why_it_waits(bulk: BulkAction) -> str:
    """Return why its job does not run, where it should."""
    if bulk.job is None or bulk.state not in (BulkState.WAITING, BulkState.RUNNING):
        return ""
    job = Job.objects.filter(pk=bulk.job).first()
    if job is None or job.state == "running":
        return ""
    if job.is_finished:
        return f"Its job is {job.state}: retry it, and it goes on where it stood."
    reasons = "; ".join(wait.sentence for wait in waiting_reasons(job))
    return f"Its job is {view_of_job(job)}{f': {reasons}' if reasons else ''}."
