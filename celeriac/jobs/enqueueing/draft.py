"""A draft: what a call asks for, validated, before anything is written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

from celeriac.core import context, tracing
from celeriac.core.hints import did_you_mean
from celeriac.core.ids import uuid7
from celeriac.jobs import registry, schemas
from celeriac.jobs.callbacks import targets
from celeriac.jobs.enqueueing import queues, searching, templates
from celeriac.jobs.enqueueing.option_checks import (
    LENGTHS,
    check_text,
    checked_moment,
    checked_priority,
    checked_span,
)
from celeriac.jobs.errors import InvalidArgs, InvalidOption
from celeriac.jobs.registry import Kind
from celeriac.settings import conf

#: What Celery calls it.
_CELERYS = {"countdown": "delay=", "eta": "run_at=", "expires": "expires_at="}


class EnqueueOptions(TypedDict, total=False):
    """What a call may say about its job besides kind and arguments."""

    queue: str | None
    priority: int | None
    run_at: datetime | None
    delay: float | timedelta | None
    expires_at: datetime | timedelta | None
    idempotency_key: str | None
    unique_key: str | None
    lock_key: str | None
    tenant: str
    callback_url: str | None
    replace: bool
    scope: str | None
    tick: UUID | None
    enqueued_by: str
    fingerprint: str
    #: For callers of Celery's API: the row's id, or another one that the job is known by, and
    #: what the message would have borne.
    job_id: UUID | None
    task_id: str | None
    headers: dict[str, Any] | None


@dataclass(slots=True)
class Draft:
    """A job to be. Times not given as such count from the statement that writes it."""

    id: UUID
    kind: str
    queue: str
    priority: int
    values: dict[str, Any]
    text: str
    max_attempts: int
    correlation_id: str
    run_at: datetime | None = None
    delay: float = 0.0
    expires_at: datetime | None = None
    expires_in: float | None = None
    idempotency_key: str | None = None
    scope: str = ""
    unique_key: str | None = None
    lock_key: str | None = None
    tenant: str = ""
    callback_url: str = ""
    replace: bool = False
    tick: UUID | None = None
    enqueued_by: str = ""
    #: What else must be the same under one idempotency key: a digest of a whole request.
    fingerprint: str = ""
    #: What it can be found by, for kinds that declare `search`: (field, value).
    terms: tuple[tuple[str, str], ...] = ()
    trace: str | None = None
    task_id: str | None = None
    headers: dict[str, Any] | None = None
    #: The whole call, where the row does not hold it.
    apart: str | None = None
    #: Whether the caller chose an id: a job that has it is given back.
    is_named: bool = False
    #: The group of a flow that it is a member of, and how its row begins.
    node: UUID | None = None
    state: str = "queued"

    @property
    def headers_text(self) -> str | None:
        """The headers as the single statement wants them."""
        return None if self.headers is None else json.dumps(self.headers)


def prepare_draft(
    kind: str,
    args: Mapping[str, Any],
    options: EnqueueOptions,
    later: frozenset[str] = frozenset(),
) -> Draft:
    """Return the draft of one job; raises what `enqueue` raises, but touches no database.

    Arguments of the names in `later` are given when it runs.
    """
    declared = registry.find_kind(kind)
    schema = declared.schema.without(later) if later else declared.schema
    dumped = schema.check(args)
    if len(dumped.text) > conf.MAX_ARGS_BYTES // 4:
        _check_size(declared.name, dumped.text)
    job_id = uuid7()
    draft = Draft(
        id=job_id,
        kind=declared.name,
        queue=queues.check_queue(options.get("queue") or declared.queue),
        priority=declared.priority,
        values=dumped.values,
        text=dumped.text,
        max_attempts=declared.retry.max_attempts,
        correlation_id=context.correlation_id() or str(job_id),
        trace=tracing.traceparent(),
        apart=dumped.apart,
        tenant=schemas.current_tenant(),
    )
    if options:
        _apply(draft, options)
    _apply_keys(draft, declared, later)
    if declared.search:
        draft.terms = _terms(declared, draft)
    return draft


def _apply_keys(draft: Draft, kind: Kind, later: frozenset[str]) -> None:
    """Give it the keys that its kind makes of its arguments."""
    for option in ("unique", "lock"):
        template, name = getattr(kind, option), f"{option}_key"
        if template is None or getattr(draft, name) is not None:
            continue
        if unknown := templates.template_fields(template) & later:
            raise InvalidOption(f"{kind.name}: give {name}=: {min(unknown)} is known later only.")
        values = kind.schema.named(draft.values)
        setattr(draft, name, templates.render_key(template, values, kind.schema.defaults))
    if draft.unique_key is not None:
        draft.unique_key = schemas.key_within(draft.tenant, draft.unique_key)


def _terms(kind: Kind, draft: Draft) -> tuple[tuple[str, str], ...]:
    """Return the (field, value) pairs of a draft; a request's correlation id is one of them."""
    found = searching.terms_of_args(kind, kind.schema.named(draft.values))
    if draft.correlation_id != str(draft.id):
        found.append(("correlation_id", searching.clip_term(draft.correlation_id)))
    return tuple(found)


def _apply(draft: Draft, options: EnqueueOptions) -> None:
    if unknown := options.keys() - EnqueueOptions.__optional_keys__:
        raise InvalidOption(_unknown(min(unknown)))
    for name in LENGTHS.keys() & options.keys():
        check_text(name, options.get(name))
    if (priority := options.get("priority")) is not None:
        draft.priority = checked_priority(priority)
    _apply_times(draft, options)
    draft.unique_key = options.get("unique_key")
    draft.lock_key = options.get("lock_key")
    draft.tenant = options.get("tenant") or draft.tenant
    if url := options.get("callback_url"):
        targets.checked_target(url)
        draft.callback_url = url
    draft.replace = bool(options.get("replace"))
    draft.tick = options.get("tick")
    draft.enqueued_by = options.get("enqueued_by") or ""
    draft.idempotency_key = options.get("idempotency_key")
    draft.fingerprint = options.get("fingerprint") or ""
    _apply_names(draft, options)
    scope = options.get("scope")
    draft.scope = scope if scope is not None else f"tenant:{draft.tenant}" if draft.tenant else ""


def _apply_names(draft: Draft, options: EnqueueOptions) -> None:
    """Let the job be known by what its caller says; one of that name is given back instead."""
    draft.task_id, draft.headers = options.get("task_id"), options.get("headers")
    if (job_id := options.get("job_id")) is not None:
        if draft.correlation_id == str(draft.id):
            draft.correlation_id = str(job_id)
        draft.id = job_id
    draft.is_named = job_id is not None or draft.task_id is not None


def _unknown(name: str) -> str:
    if name in _CELERYS:
        return f"enqueue() has no option {name!r}: say {_CELERYS[name]}."
    hint = did_you_mean(name, EnqueueOptions.__optional_keys__)
    return f"enqueue() has no option {name!r}.{hint}"


def _apply_times(draft: Draft, options: EnqueueOptions) -> None:
    run_at, delay, expires = (options.get(name) for name in ("run_at", "delay", "expires_at"))
    if run_at is not None and delay is not None:
        raise InvalidOption("Give run_at (a moment) or delay (seconds from now), not both.")
    if run_at is not None:
        draft.run_at = checked_moment("run_at", run_at)
    if delay is not None:
        draft.delay = checked_span("delay", delay)
    if isinstance(expires, timedelta):
        draft.expires_in = checked_span("expires_at", expires)
        if delay is not None and draft.expires_in <= draft.delay:
            raise InvalidOption(
                "expires_at (or the kind's own expires=) is not after delay: the job could never "
                "start. Give it longer, or delay it less."
            )
    elif expires is not None:
        draft.expires_at = checked_moment("expires_at", expires)
        if draft.run_at is not None and draft.expires_at <= draft.run_at:
            raise InvalidOption("expires_at is not after run_at: the job could never start.")


def checked_args(kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as JSON values, or raise InvalidArgs: as `enqueue` checks them."""
    dumped = kind.schema.check(args)
    _check_size(kind.name, dumped.text)
    return dumped.values


def _check_size(kind: str, text: str) -> None:
    size, limit = len(text.encode()), conf.MAX_ARGS_BYTES
    if size > limit:
        raise InvalidArgs(
            f"The arguments of {kind!r} take {size:,} bytes, {limit:,} are allowed "
            "(CELERIAC['MAX_ARGS_BYTES']): store the data and pass its id.",
            errors={"args": f"take {size:,} bytes, {limit:,} are allowed"},
        )
