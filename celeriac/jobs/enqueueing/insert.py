"""Writing jobs: one, or a thousand, by the statements of insert_sql.py.

The single statement is for a job without keys and waits for nobody. The other
takes its rows as one JSON document, in the order of their keys, bounds its own
wait for locks and puts `lock_timeout` back as it was.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from celeriac.jobs import registry
from celeriac.jobs.enqueueing import insert_sql, locks
from celeriac.jobs.enqueueing.draft import Draft
from celeriac.jobs.errors import EnqueueBusy, IdempotencyConflict
from celeriac.jobs.models import Job, LargeCall
from celeriac.jobs.running import prepared
from celeriac.jobs.states import State

_TRIES = 3
ROWS, BYTES = 1000, 8_000_000  # of one statement

_DRAFTED = (*insert_sql.COLUMNS, *insert_sql.TIMES)
#: Of a draft: the parameters of the single statement, and a row of the document.
_TEXTS = {"args": "text", "headers": "headers_text"}
_parameters = attrgetter(*(_TEXTS.get(name, name) for name in _DRAFTED))
_values = attrgetter(*("values" if name == "args" else name for name in _DRAFTED))
_times = attrgetter(*insert_sql.TIMES)
_JSON = [insert_sql.NAMES.index(name) for name in ("args", "result", "progress", "headers")]
_BLANK: dict[str, Any] = {
    **dict.fromkeys(insert_sql.NAMES),
    **dict.fromkeys(("attempt", "failures", "losses", "cuts"), 0),
    **dict.fromkeys(("wait_reason", "error"), ""),
    "state": State.QUEUED.value,
}


def insert_one(draft: Draft) -> Job:
    """Write one job without keys and return it."""
    terms: tuple[Any, ...] = ()
    if draft.terms:
        terms = (draft.id, *map(list, zip(*draft.terms, strict=True)))
    statement = insert_sql.ONE_SEARCHED if terms else insert_sql.ONE
    [(run_at, expires_at, created_at)] = prepared.fetch_rows(
        statement, (*_parameters(draft), *terms)
    )
    return _built_job(draft, run_at=run_at, expires_at=expires_at, created_at=created_at)


def insert_named(draft: Draft) -> Job:
    """Write one job whose caller chose its id, or whose arguments stand beside it.

    A job that is known by that id already is given back, `replayed`.
    """
    fields, values = zip(*draft.terms, strict=True) if draft.terms else ((), ())
    parameters = (*_parameters(draft), draft.apart, draft.apart, list(fields), list(values))
    named = f"the id {draft.task_id or draft.id}"
    for _ in range(_TRIES):
        with locks.bounded_wait(named) if draft.is_named else nullcontext():
            rows = prepared.fetch_rows(insert_sql.ONE_NAMED, parameters)
        for run_at, expires_at, created_at in rows:
            return _built_job(draft, run_at=run_at, expires_at=expires_at, created_at=created_at)
        if (job := _job_named(draft)) is not None:
            return job
    raise EnqueueBusy(f"{named} keeps changing hands; try again.")


def _job_named(draft: Draft) -> Job | None:
    known = Q(pk=draft.id) if draft.task_id is None else Q(task_id=draft.task_id)
    job = Job.objects.filter(known).first()
    if job is None:
        return None
    if registry.get_or_default(job.kind).name != draft.kind:
        raise IdempotencyConflict(
            f"The id {draft.task_id or draft.id} is that of a job of {job.kind!r}: a job of "
            f"{draft.kind!r} needs another one.",
            job_id=str(job.id),
        )
    job.replayed = True
    return job


def write_large_calls(drafts: Sequence[Draft], written: Mapping[Any, Job]) -> None:
    """Write the arguments that stand beside their jobs, of those that were written."""
    LargeCall.objects.bulk_create(
        LargeCall(job_id=draft.id, text=draft.apart)
        for draft in drafts
        if draft.apart is not None and draft.id in written and not written[draft.id].absorbed
    )


def insert_members(drafts: Sequence[Draft]) -> datetime:
    """Write members of a flow, keys and hits apart; return when the first of them is due."""
    due: list[datetime] = []
    for chunk in _chunks(drafts):
        rows = [_row_of(draft) | {"node": draft.node, "state": draft.state} for draft in chunk]
        terms = [row for draft in chunk if draft.terms for row in _terms(draft)]
        with connection.cursor() as cursor:
            cursor.execute(
                insert_sql.MEMBERS,
                {
                    "rows": json.dumps(rows, default=str),
                    "terms": json.dumps(terms, default=str),
                },
            )
            due.append(cursor.fetchone()[0])
    LargeCall.objects.bulk_create(
        LargeCall(job_id=draft.id, text=draft.apart) for draft in drafts if draft.apart is not None
    )
    return min(due)


def insert_many(drafts: Sequence[Draft]) -> dict[Any, Job]:
    """Write drafts in the order of their keys; return each draft's job by the draft's id."""
    jobs: dict[Any, Job] = {}
    waiting = sorted(drafts, key=lambda draft: (draft.kind, draft.unique_key or "", draft.id))
    while waiting:
        now, waiting, folded = _apart(waiting)
        for chunk in _chunks(now):
            jobs |= _write_chunk(chunk)
        for draft_id, first_id in folded.items():
            jobs[draft_id] = copy(jobs[first_id])
            jobs[draft_id].absorbed = True
    return jobs


@contextmanager
def bounded_insert(drafts: Sequence[Draft]) -> Iterator[None]:
    """Make the block one unit that a lock held too long undoes, and nothing else with it.

    A single statement outside of a transaction is such a unit already.
    """
    several = len(drafts) > 1 or any(draft.idempotency_key is not None for draft in drafts)
    unique = any(draft.unique_key is not None for draft in drafts)
    needs_unit = several or (unique and connection.in_atomic_block)
    with locks.busy_errors(_named(drafts)), transaction.atomic() if needs_unit else nullcontext():
        yield


def _apart(drafts: Sequence[Draft]) -> tuple[list[Draft], list[Draft], dict[Any, Any]]:
    """Return what one statement may write, what must follow, and what is one with another.

    A statement can't touch a row twice, so a key that comes again is folded into
    its first draft where their times agree, and left for the next statement else.
    """
    now: dict[Any, Draft] = {}
    rest: list[Draft] = []
    folded: dict[Any, Any] = {}
    for draft in drafts:
        name = draft.id if draft.unique_key is None else (draft.kind, draft.unique_key)
        first = now.setdefault(name, draft)
        if first is draft:
            continue
        if not _folds(first, draft):
            rest.append(draft)
            continue
        folded[draft.id] = first.id
        first.callback_url = first.callback_url or draft.callback_url
        if draft.replace:
            first.callback_url = draft.callback_url or first.callback_url
            first.values, first.text, first.replace = draft.values, draft.text, True
            first.terms = draft.terms
            first.lock_key = draft.lock_key or first.lock_key
            first.priority = max(first.priority, draft.priority)
    return list(now.values()), rest, folded


def _folds(first: Draft, draft: Draft) -> bool:
    return bool(_times(first) == _times(draft))


def _chunks(drafts: Sequence[Draft]) -> Iterator[list[Draft]]:
    chunk: list[Draft] = []
    size = 0
    for draft in drafts:
        if chunk and (len(chunk) >= ROWS or size + len(draft.text) > BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(draft)
        size += len(draft.text)
    if chunk:
        yield chunk


def _write_chunk(drafts: Sequence[Draft]) -> dict[Any, Job]:
    searched = (draft for draft in drafts if draft.terms or draft.replace)
    terms = [row for draft in searched for row in _terms(draft)]
    with connection.cursor() as cursor:
        cursor.execute(
            insert_sql.MANY_SEARCHED if terms else insert_sql.MANY,
            {
                "limit": locks.lock_timeout(),
                "rows": json.dumps([_row_of(draft) for draft in drafts], default=str),
                "replacing": [draft.id for draft in drafts if draft.replace],
                "terms": json.dumps(terms, default=str),
            },
        )
        found = [_read_row(row[:-1]) for row in cursor.fetchall()]
    by_id = {job.id: job for job in found}
    by_key = {(job.kind, job.unique_key): job for job in found}
    jobs: dict[Any, Job] = {}
    for draft in drafts:
        job = by_id.get(draft.id) or by_key[draft.kind, draft.unique_key]
        job.absorbed = job.id != draft.id
        jobs[draft.id] = job
    return jobs


def _terms(draft: Draft) -> Iterator[dict[str, Any]]:
    """Yield its terms; one that replaces a job's arguments takes that job's terms away."""
    named = {"draft": draft.id, "kind": draft.kind, "unique_key": draft.unique_key}
    for field, value in draft.terms:
        yield {**named, "field": field, "value": value}
    if draft.replace and not draft.terms and registry.find_kind(draft.kind).search:
        yield named


def _row_of(draft: Draft) -> dict[str, Any]:
    return dict(zip(_DRAFTED, _values(draft), strict=True))


def _built_job(draft: Draft, **times: Any) -> Job:
    values = _BLANK | times
    for name in _GIVEN:
        values[name] = getattr(draft, name)
    values["args"] = draft.values
    return Job.from_db(connection.alias, insert_sql.NAMES, list(values.values()))


_GIVEN = [
    name
    for name in insert_sql.NAMES
    if name in Draft.__slots__ and name not in ("run_at", "expires_at")
]


def _read_row(row: Sequence[Any]) -> Job:
    values = list(row)
    for place in _JSON:
        if values[place] is not None:
            values[place] = json.loads(values[place])
    return Job.from_db(connection.alias, insert_sql.NAMES, values)


def _named(drafts: Sequence[Draft]) -> str:
    keys = sorted({d.unique_key or d.idempotency_key or "" for d in drafts} - {""})
    shown = ", ".join(repr(key) for key in keys[:3])
    return f"the key {shown}" if len(keys) < 4 else f"one of {len(keys)} keys ({shown}, …)"
