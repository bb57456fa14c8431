"""Enqueueing: one INSERT in the caller's own transaction.

A job that carries no key waits for nobody. A job with a unique key or an
idempotency key may have to wait for another transaction that holds the same
one: keys are taken in sorted order, and the wait is bounded
(LOCK_TIMEOUT_SECONDS, then EnqueueBusy).
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Unpack

from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, connections, transaction

from celeriac.core import tracing
from celeriac.jobs import metrics, nudge, registry
from celeriac.jobs.enqueueing import insert, keys, locks
from celeriac.jobs.enqueueing.draft import Draft, EnqueueOptions, prepare_draft
from celeriac.jobs.enqueueing.own_connection import own_connection
from celeriac.jobs.errors import InvalidArgs, InvalidOption, WrongTransaction
from celeriac.jobs.handle import JobHandle
from celeriac.jobs.models import Job
from celeriac.jobs.open_line import FreshJob
from celeriac.settings import conf


class BatchOptions(EnqueueOptions, total=False):
    """The options of `enqueue_many`: shared by all, or one for each."""

    idempotency_keys: Sequence[str | None]
    unique_keys: Sequence[str | None]


def enqueue(
    kind: str,
    args: Mapping[str, Any],
    *,
    detached: bool = False,
    survives_rollback: bool = False,
    **options: Unpack[EnqueueOptions],
) -> JobHandle[Any]:
    """Write a job and return its handle; it exists if and only if the open transaction commits.

    `args` are the handler's keyword arguments. Options:

    - `queue`, `priority` (-100 to 100, higher runs first): instead of the kind's own.
    - `run_at` (an aware datetime) or `delay` (seconds or a timedelta): not before then.
    - `expires_at` (an aware datetime, or a timedelta from now): cancelled if not started by then.
    - `idempotency_key`: the same key again returns the same job (`handle.replayed`).
    - `unique_key`: a job of that kind and key that still waits is returned instead
      (`handle.absorbed`), held until the open transaction ends, and started no later than this
      one would have been; `replace=True` gives it these arguments.
    - `lock_key`: no two jobs of one lock run at the same time.
    - `tenant`: kept with the job.
    - `callback_url`: told how the job ended, see docs/callbacks.md. A queued job that takes this
      one in keeps its own address, unless it has none or `replace=True`.
    - `detached=True`: allows a call inside a transaction of another database.
    - `survives_rollback=True`: writes it at once on a connection of its own, whatever becomes of
      the open transaction: for what a failure reports before it is raised again.

    Raises:
        UnknownKind: no job of this kind is declared.
        InvalidArgs: the arguments do not fit the handler's signature, or are too large.
        InvalidOption: an option does not fit.
        UnknownQueue: no queue of that name is declared.
        CallbackRefused: the callback's address is not allowed.
        IdempotencyConflict: the key was used before with other arguments.
        EnqueueBusy: another transaction holds the key; this one stays usable.
        WrongTransaction: the open transaction is another database's.
    """
    job = enqueue_job(kind, args, detached=detached, survives_rollback=survives_rollback, **options)
    return _handle(job)


def enqueue_job(
    kind: str,
    args: Mapping[str, Any],
    *,
    detached: bool = False,
    survives_rollback: bool = False,
    **options: Unpack[EnqueueOptions],
) -> Job:
    """Write a job as `enqueue` does and return its row, for those who show or keep it."""
    with tracing.span(f"enqueue {kind}", "producer"):
        draft = prepare_draft(kind, args, options)
        if survives_rollback or _outlives(draft):
            return _write_apart(draft)
        check_transaction(detached=detached)
        return write_draft(draft)


def enqueue_after_others(
    kind: str, args: Mapping[str, Any], **options: Unpack[EnqueueOptions]
) -> Job | Draft:
    """Write a job as `enqueue` does, or once the open transaction of another database commits."""
    with tracing.span(f"enqueue {kind}", "producer"):
        draft = prepare_draft(kind, args, options)
        return _write_apart(draft) if _outlives(draft) else _write_after_others(draft)


def _write_after_others(draft: Draft) -> Job | Draft:
    """Write it where no other database's transaction could roll back alone; else wait for that."""
    if (other := transaction_elsewhere()) is None:
        return write_draft(draft)
    transaction.on_commit(partial(_write_after_others, draft), using=other)
    return draft


def _outlives(draft: Draft) -> bool:
    return any(fnmatchcase(draft.kind, pattern) for pattern in conf.SURVIVES_ROLLBACK)


def _write_apart(draft: Draft) -> Job:
    with own_connection():
        return write_draft(draft)


def _handle(job: Job) -> JobHandle[Any]:
    return JobHandle(job.id, replayed=job.replayed, absorbed=job.absorbed)


async def aenqueue(
    kind: str,
    args: Mapping[str, Any],
    *,
    detached: bool = False,
    survives_rollback: bool = False,
    **options: Unpack[EnqueueOptions],
) -> JobHandle[Any]:
    """Write a job from async code, as `enqueue` does; it raises the same.

    It joins the transaction that is open in the thread of sync code, as Django's async ORM does.
    """
    wish = {"detached": detached, "survives_rollback": survives_rollback}
    return await sync_to_async(enqueue)(kind, args, **wish, **options)


def write_draft(draft: Draft) -> Job:
    """Write one draft, and tell of it once it is committed."""
    if draft.unique_key is not None or draft.idempotency_key is not None:
        return write_drafts([draft])[0]
    single = insert.insert_named if draft.is_named or draft.apart else insert.insert_one
    try:
        job = single(draft)
    except OperationalError as error:
        locks.refuse_busy(error, f"what a new {draft.kind} depends on")
        raise
    if not job.replayed:
        metrics.count_enqueued([(job.kind, job.queue)])
        _tell(job, draft)
    return job


def enqueue_many(
    kind: str,
    list_of_args: Iterable[Mapping[str, Any]],
    *,
    detached: bool = False,
    **options: Unpack[BatchOptions],
) -> list[JobHandle[Any]]:
    """Write a job of one kind for each arguments, all or none; return their handles in order.

    Options as in `enqueue`, which raises the same; keys are given one for each:
    `idempotency_keys`, `unique_keys`.

    Raises:
        InvalidArgs: some arguments do not fit; it names every bad field as `<index>.<field>`.
    """
    items = list(list_of_args)
    each = _per_item(len(items), options)
    with tracing.span(f"enqueue {kind}", "producer", celeriac__jobs=len(items)):
        drafts = prepare_many((kind, args, own) for args, own in zip(items, each, strict=True))
        return [_handle(job) for job in enqueue_drafts(drafts, detached=detached)]


async def aenqueue_many(
    kind: str,
    list_of_args: Iterable[Mapping[str, Any]],
    *,
    detached: bool = False,
    **options: Unpack[BatchOptions],
) -> list[JobHandle[Any]]:
    """Write a job for each arguments from async code, as `enqueue_many` does, errors included."""
    return await sync_to_async(enqueue_many)(kind, list_of_args, detached=detached, **options)


def prepare_many(calls: Iterable[tuple[str, Mapping[str, Any], EnqueueOptions]]) -> list[Draft]:
    """Return the drafts of `(kind, args, options)` calls, kinds mixed as you like."""
    drafts: list[Draft] = []
    errors: dict[str, str] = {}
    for index, (kind, args, options) in enumerate(calls):
        try:
            drafts.append(prepare_draft(kind, args, options))
        except InvalidArgs as error:
            errors |= {f"{index}.{field}": text for field, text in error.errors.items()}
    if errors:
        shown = "; ".join(f"{field}: {text}" for field, text in list(errors.items())[:10])
        more = f"; and {len(errors) - 10} more" if len(errors) > 10 else ""
        raise InvalidArgs(shown + more, errors=errors)
    return drafts


def enqueue_drafts(drafts: Sequence[Draft], *, detached: bool = False) -> list[Job]:
    """Write drafts, all or none, and return their jobs in order."""
    check_transaction(detached=detached)
    return write_drafts(drafts) if drafts else []


def write_drafts(drafts: Sequence[Draft]) -> list[Job]:
    """Write drafts with or without keys, and nudge once they are committed."""
    with insert.bounded_insert(drafts):
        replays = keys.take_keys([draft for draft in drafts if draft.idempotency_key is not None])
        written = insert.insert_many([draft for draft in drafts if draft.id not in replays])
        if any(draft.apart is not None for draft in drafts):
            insert.write_large_calls(drafts, written)
        jobs = keys.settle_keys(drafts, written, replays)
    metrics.count_enqueued(
        [(job.kind, job.queue) for job in jobs if not (job.replayed or job.absorbed)]
    )
    _nudge(jobs, drafts)
    return jobs


def check_transaction(*, detached: bool) -> None:
    """Refuse to join no transaction while another database's is open: it could roll back alone."""
    if not detached and (other := transaction_elsewhere()) is not None:
        raise WrongTransaction(
            f"The open transaction is on {other!r}, but jobs live on "
            f"{connection.alias!r}: the job would outlive a rollback. Enqueue outside of "
            "it, or pass detached=True if that is what you mean."
        )


def transaction_elsewhere() -> str | None:
    """Return the alias of a database whose transaction is open while the ledger's has none."""
    if connection.in_atomic_block:
        return None
    open_ = (each for each in connections.all(initialized_only=True) if each.in_atomic_block)
    return next((each.alias for each in open_), None)


def _per_item(count: int, options: BatchOptions) -> list[EnqueueOptions]:
    singles = ("idempotency_key", "unique_key")
    lists = {name: given for name in singles if (given := options.get(f"{name}s")) is not None}
    shared: Any = {name: value for name, value in options.items() if not name.endswith("_keys")}
    if shared.get("idempotency_key") is not None:
        raise InvalidOption("Many jobs can't share one key: give idempotency_keys, one for each.")
    for single, given in lists.items():
        if len(given) != count:  # type: ignore[arg-type]  # both are sequences
            raise InvalidOption(f"{single}s must have one entry for each of the {count} jobs.")
    if not lists:
        return [shared] * count
    return [shared | {name: given[i] for name, given in lists.items()} for i in range(count)]  # type: ignore[index]  # both are sequences


def _nudge(jobs: Sequence[Job], drafts: Sequence[Draft]) -> None:
    written = [job for job in jobs if not job.replayed]
    if len(written) == 1 == len(jobs) and not written[0].absorbed:
        _tell(written[0], drafts[0])
        return
    soonest: dict[tuple[str, int], Job] = {}
    for job in written:
        if job.absorbed:
            nudge.nudge_after_commit(
                queue=job.queue, priority=job.priority, run_at=job.run_at, unique_hit=job.id
            )
            continue
        place = (job.queue, job.priority)
        if place not in soonest or job.run_at < soonest[place].run_at:
            soonest[place] = job
    for job in soonest.values():
        nudge.nudge_after_commit(queue=job.queue, priority=job.priority, run_at=job.run_at)


def _tell(job: Job, draft: Draft) -> None:
    """Hand a job over once it is committed, where no dispatcher decides about it; else nudge.

    Who waits for a lock goes in the dispatcher's order.
    """
    if draft.run_at is None and not draft.delay and job.lock_key is None:
        circuit = registry.find_kind(job.kind).breaker or ""
        moment = job.run_at.timestamp()
        fresh = FreshJob(job.id, job.kind, job.queue, job.priority, moment, circuit)
        nudge.hand_over_after_commit(fresh)
    else:
        nudge.nudge_after_commit(queue=job.queue, priority=job.priority, run_at=job.run_at)
