"""Idempotency keys: the caller's promise that two calls are one."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from uuid import UUID

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import execute, fetch_rows
from celeriac.jobs import registry
from celeriac.jobs.enqueueing import locks
from celeriac.jobs.enqueueing.draft import Draft
from celeriac.jobs.errors import EnqueueBusy, IdempotencyConflict
from celeriac.jobs.models import Job

_TRIES = 3

_TAKE = f"""
WITH bound AS MATERIALIZED (
    SELECT current_setting('lock_timeout') AS before,
           set_config('lock_timeout', %(limit)s, true) AS during
), taken AS (
    INSERT INTO {tables.JOB_KEY} (scope, key, job_id, hash, created_at)
    SELECT scope, key, job_id, hash, {NOW}
    FROM bound, json_to_recordset(%(rows)s) AS draft (scope text, key text, job_id uuid, hash text)
    ON CONFLICT (scope, key) DO NOTHING
    RETURNING scope, key
)
SELECT taken.*, set_config('lock_timeout', bound.before, true)
FROM (SELECT * FROM taken ORDER BY scope, key OFFSET 0) AS taken, bound
"""

_HELD = f"""
SELECT held.scope, held.key, held.job_id, held.hash
FROM {tables.JOB_KEY} AS held
JOIN json_to_recordset(%s) AS draft (scope text, key text) USING (scope, key)
WHERE EXISTS (SELECT FROM {tables.JOB} WHERE {tables.JOB}.id = held.job_id)
"""

#: A key whose job is gone (deleted by hand; pruning takes both) is free again. A later
#: statement than the one that met the key: only its snapshot surely sees the job, too.
_FREE = f"""
DELETE FROM {tables.JOB_KEY} AS held
USING json_to_recordset(%s) AS draft (scope text, key text)
WHERE held.scope = draft.scope AND held.key = draft.key
AND NOT EXISTS (SELECT FROM {tables.JOB} WHERE {tables.JOB}.id = held.job_id)
"""

_POINT = f"""
UPDATE {tables.JOB_KEY} AS held SET job_id = hit.job_id
FROM json_to_recordset(%s) AS hit (scope text, key text, job_id uuid)
WHERE held.scope = hit.scope AND held.key = hit.key
"""


def take_keys(drafts: Sequence[Draft]) -> dict[UUID, UUID]:
    """Take each draft's key; return, by draft id, the jobs of those that were taken before.

    Raises IdempotencyConflict, naming the job, where a key was taken with other
    arguments. Must run in a transaction: a key without its job must not commit.
    """
    if not drafts:
        return {}
    first: dict[tuple[str, str], Draft] = {}
    for draft in drafts:
        first.setdefault(_name(draft), draft)
    held = _take_free([first[name] for name in sorted(first)])
    replays: dict[UUID, UUID] = {}
    for draft in drafts:
        job_id, hashed = held.get(_name(draft)) or (first[_name(draft)].id, "")
        if job_id == draft.id:
            continue
        if (hashed or draft_digest(first[_name(draft)])) not in _digests(draft):
            raise IdempotencyConflict(
                f"The idempotency key {draft.idempotency_key!r} was used with other arguments: "
                f"job {job_id} has it. Use a new key for a new call.",
                job_id=str(job_id),
            )
        replays[draft.id] = job_id
    return replays


def settle_keys(
    drafts: Sequence[Draft], written: Mapping[UUID, Job], replays: Mapping[UUID, UUID]
) -> list[Job]:
    """Return the drafts' jobs in order; keys whose draft was absorbed point to the job it hit."""
    hits = [d for d in drafts if d.idempotency_key and d.id in written and written[d.id].absorbed]
    if hits:
        rows = [
            {"scope": d.scope, "key": d.idempotency_key, "job_id": str(written[d.id].id)}
            for d in hits
        ]
        execute(_POINT, [json.dumps(rows)])
    before = Job.objects.in_bulk(set(replays.values()) - set(written))
    for job in before.values():
        job.replayed = True
    return [
        written[draft.id]
        if draft.id in written
        else before.get(replays[draft.id]) or written[replays[draft.id]]
        for draft in drafts
    ]


def draft_digest(draft: Draft, kind: str = "") -> str:
    """Return the digest of a draft's kind, validated arguments and fingerprint, if it has one."""
    called = [kind or draft.kind, draft.values]
    if draft.fingerprint:
        called.append(draft.fingerprint)
    canonical = json.dumps(called, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


def _digests(draft: Draft) -> set[str]:
    """Return the draft's digest under every name of its kind: a key outlives a rename."""
    names = (draft.kind, *registry.find_kind(draft.kind).aliases)
    return {draft_digest(draft, name) for name in names}


def _take_free(drafts: Sequence[Draft]) -> dict[tuple[str, str], tuple[UUID, str]]:
    """Take the keys that are free and return who holds the others."""
    held: dict[tuple[str, str], tuple[UUID, str]] = {}
    missing = list(drafts)
    for _ in range(_TRIES):
        taken = _insert(missing)
        missing = [draft for draft in missing if _name(draft) not in taken]
        if missing:
            held |= _held(missing)
            missing = [draft for draft in missing if _name(draft) not in held]
        if not missing:
            return held
        execute(_FREE, [_names(missing)])
    raise EnqueueBusy(f"The key {missing[0].idempotency_key!r} keeps changing hands; try again.")


def _insert(drafts: Sequence[Draft]) -> set[tuple[str, str]]:
    rows = [
        {"scope": d.scope, "key": d.idempotency_key, "job_id": str(d.id), "hash": draft_digest(d)}
        for d in drafts
    ]
    taken = fetch_rows(_TAKE, {"limit": locks.lock_timeout(), "rows": json.dumps(rows)})
    return {(scope, key) for scope, key, _ in taken}


def _held(drafts: Sequence[Draft]) -> dict[tuple[str, str], tuple[UUID, str]]:
    held = fetch_rows(_HELD, [_names(drafts)])
    return {(scope, key): (job_id, hashed) for scope, key, job_id, hashed in held}


def _name(draft: Draft) -> tuple[str, str]:
    return draft.scope, draft.idempotency_key or ""


def _names(drafts: Sequence[Draft]) -> str:
    return json.dumps([{"scope": draft.scope, "key": draft.idempotency_key} for draft in drafts])
