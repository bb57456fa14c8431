"""Taking queued jobs out of the ledger, to be sent as plain messages; none is in neither place.

In one transaction a job leaves its table, and the message that it becomes stands in HandedBack
with the time of the first try to send it. Whoever dies then leaves a row without `sent_at`, which
the next one sends: more than one try means that the message may have gone twice.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import QuerySet

from celeriac.core import audit, tables
from celeriac.core.clock import NOW, db_now
from celeriac.core.queries import fetch_row, fetch_rows
from celeriac.jobs.enqueueing.locks import bounded_wait
from celeriac.jobs.models import HandedBack, Job

#: What belongs to a job besides its row.
_BESIDE = (tables.ATTEMPT, tables.JOB_KEY, tables.SEARCH_TERM, tables.LARGE_CALL)
_GONE = ", ".join(
    f"beside_{number} AS (DELETE FROM {table} WHERE job_id = ANY(%(ids)s))"
    for number, table in enumerate(_BESIDE)
)
_LEAVE = f"""
WITH {_GONE}
DELETE FROM {tables.JOB} WHERE id = ANY(%(ids)s) RETURNING 1
"""
_AGAIN = f"""
UPDATE {tables.HANDED_BACK} h SET tries = array_append(h.tries, {NOW})
FROM (
    SELECT job_id FROM {tables.HANDED_BACK}
    WHERE sent_at IS NULL AND task = ANY(%(kinds)s) AND tries[cardinality(tries)] < %(before)s
    ORDER BY taken_at, job_id LIMIT %(most)s FOR UPDATE SKIP LOCKED
) AS lost
WHERE h.job_id = lost.job_id RETURNING h.job_id
"""
#: One of the ledger's advisory locks: "handback" in ASCII.
_LOCK = 0x68616E646261636B


@contextmanager
def only_handback() -> Iterator[bool]:
    """Keep every other session from handing back meanwhile; yields False where one does.

    A transaction of a connection of its own holds the lock, which a pooler can't give to others.
    """
    own: Any = connections[DEFAULT_DB_ALIAS]
    own = own.copy()
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            is_ours = bool(cursor.fetchone()[0])
        yield is_ours
    finally:
        own.close()


def take_jobs(
    kinds: Sequence[str], *, most: int, message: Callable[[Job], str], audit_id: UUID
) -> list[HandedBack]:
    """Take queued jobs out of the ledger; return what stands in their place.

    `message` returns a job's call. Jobs that somebody holds, or is to be called back for, stay.
    """
    with transaction.atomic(durable=True), bounded_wait("a job"):
        jobs = waiting_jobs(kinds).order_by("id").select_for_update(skip_locked=True)[:most]
        now = fetch_row(f"SELECT {NOW}")[0]
        taken = [
            HandedBack(
                job_id=job.id,
                task=job.kind,
                task_id=job.task_id or str(job.id),
                call=message(job),
                tries=[now],
            )
            for job in jobs
        ]
        if taken:
            ids = [row.job_id for row in taken]
            HandedBack.objects.bulk_create(taken)
            fetch_rows(_LEAVE, {"ids": ids})
            audit.record_batch(audit_id, ids)
    return taken


def try_again(kinds: Sequence[str], *, most: int, before: datetime) -> list[HandedBack]:
    """Return messages of which nobody knows whether they were sent, with one more try noted.

    Only those that were last tried `before`.
    """
    rows = fetch_rows(_AGAIN, {"kinds": list(kinds), "most": most, "before": before})
    found = HandedBack.objects.in_bulk([row[0] for row in rows])
    return list(found.values())


def note_sent(rows: Sequence[HandedBack]) -> None:
    """Note that the broker took the messages."""
    now = db_now()
    for row in rows:
        row.sent_at = now
    HandedBack.objects.bulk_update(rows, ["sent_at"])


def waiting_jobs(kinds: Sequence[str]) -> QuerySet[Job]:
    """Return the queued jobs of these kinds that can be handed back: a flow keeps its members."""
    return Job.objects.queued().filter(kind__in=kinds, callback_url="", node=None)
