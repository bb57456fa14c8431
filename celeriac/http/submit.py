"""Calls become jobs: grants first, then the ledger's own entry point, all or none."""

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256

from django.db import transaction

from celeriac.core.hints import did_you_mean
from celeriac.http import problems
from celeriac.http.bodies import JobCall
from celeriac.http.models import ServiceAccount
from celeriac.http.problems import MOST_ERRORS, Forbidden, Problem, UniqueKeyHeld
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.draft import Draft, EnqueueOptions, prepare_draft
from celeriac.jobs.enqueueing.enqueue import enqueue_drafts
from celeriac.jobs.errors import InvalidArgs, InvalidOption, JobError, UnknownKind
from celeriac.jobs.models import Job

#: So many unknown arguments are named one by one.
_CROWD = 20
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


def submit_calls(
    *,
    account: ServiceAccount,
    calls: Sequence[JobCall],
    key: str | None = None,
    body: object = None,
    path: str = "",
) -> list[Job]:
    """Write the account's jobs in one transaction and return them in order.

    `key` is the caller's idempotency key: the same key and `body` again return the
    jobs that it made. `path` names the place of the calls in the body, for several.
    Raises Forbidden, UniqueKeyHeld, Problem (errors by field), and JobErrors.
    """
    keys = _keys(key, len(calls))
    _check_grants(account, calls, path)
    shared = _shared(account, key, body)
    drafts = _drafts(account, calls, keys, shared, path)
    with transaction.atomic():
        jobs = enqueue_drafts(drafts)
        _refuse_strangers(account, jobs)
    return jobs


def _keys(key: str | None, count: int) -> list[str | None]:
    if key is None:
        return [None] * count
    if not _KEY.fullmatch(key):
        errors = {"Idempotency-Key": "must be 1 to 200 visible ASCII characters"}
        raise Problem("Idempotency-Key must be 1 to 200 visible ASCII characters.", errors=errors)
    return [key, *(f"{key} {index}" for index in range(1, count))]


def _shared(account: ServiceAccount, key: str | None, body: object) -> EnqueueOptions:
    shared: EnqueueOptions = {"enqueued_by": account.origin, "scope": account.scope}
    if key is not None:
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
        shared["fingerprint"] = sha256(canonical.encode()).hexdigest()
    return shared


def _check_grants(account: ServiceAccount, calls: Sequence[JobCall], path: str) -> None:
    """Refuse what no grant covers, without telling whether such a kind exists."""
    judged: dict[tuple[str, str | None], bool] = {}
    errors: dict[str, str] = {}
    for index, call in enumerate(calls):
        asked = (call.kind, call.queue)
        if asked not in judged:
            judged[asked] = _is_granted(account, call)
        if not judged[asked] and len(errors) < MOST_ERRORS:
            where = f" on the queue {call.queue!r}" if call.queue else ""
            errors[_at(path, index, "kind")] = f"may not be enqueued: {call.kind!r}{where}"
    if errors:
        text = next(iter(errors.values()))
        raise Forbidden(f"No grant of {account.name} covers it: {text}.", errors=errors)


def _is_granted(account: ServiceAccount, call: JobCall) -> bool:
    kind = registry.get_kind(call.kind)
    if kind is None:
        return account.may("enqueue", call.kind, call.queue)
    return account.may("enqueue", kind.name, call.queue or kind.queue)


def _drafts(
    account: ServiceAccount,
    calls: Sequence[JobCall],
    keys: Sequence[str | None],
    shared: EnqueueOptions,
    path: str,
) -> list[Draft]:
    drafts: list[Draft] = []
    errors: dict[str, str] = {}
    for index, (call, key) in enumerate(zip(calls, keys, strict=True)):
        try:
            drafts += [_draft(account, call, key, shared)]
        except JobError as error:
            if not path:
                raise
            errors |= {_at(path, index, name): text for name, text in _fields(error).items()}
            if len(errors) >= MOST_ERRORS:
                break
    if errors:
        first = next(iter(errors.items()))
        raise Problem(f"Nothing was enqueued. {first[0]}: {first[1]}", errors=errors)
    return drafts


def _draft(
    account: ServiceAccount, call: JobCall, key: str | None, shared: EnqueueOptions
) -> Draft:
    options: EnqueueOptions = {**shared, "idempotency_key": key}
    for name in ("queue", "priority", "run_at", "expires_at", "callback_url"):
        if (value := getattr(call, name)) is not None:
            options[name] = value
    kind = registry.get_kind(call.kind)
    if kind is None:
        raise UnknownKind(_no_kind(account, call.kind))
    _refuse_crowd(kind, call)
    if call.unique_key is not None:
        _refuse_override(kind.name, "unique_key", kind.unique)
        options["unique_key"] = call.unique_key
    if call.lock_key is not None:
        _refuse_override(kind.name, "lock_key", kind.lock)
        options["lock_key"] = f"{lock_prefix(account.origin)}{call.lock_key}"
    return prepare_draft(call.kind, call.args, options)


def lock_prefix(origin: str) -> str:
    """Return what keeps the locks of one account apart from everybody else's."""
    return f"{origin}/"


def _refuse_crowd(kind: registry.Kind, call: JobCall) -> None:
    """Refuse at once what would only be refused a million times, argument by argument."""
    count, known = len(call.args), len(kind.schema.fields)
    if count > known + _CROWD:
        text = f"has {count:,} arguments; {kind.name} takes {known}"
        raise InvalidArgs(f"args {text}.", errors={"args": text})


def _refuse_override(kind: str, name: str, template: str | None) -> None:
    if template is not None:
        raise InvalidOption(f"{kind} has a {name} of its own ({template}): leave it out.")


def _no_kind(account: ServiceAccount, name: str) -> str:
    granted = [kind.name for kind in registry.declared_kinds() if account.may("enqueue", kind.name)]
    hint = did_you_mean(name, granted, " GET /api/v1/kinds/ lists them.")
    return f"No job of kind {name[:100]!r} is declared.{hint}"


def _fields(error: JobError) -> Mapping[str, str]:
    if isinstance(error, InvalidArgs) and error.errors:
        return {problems.args_field(name): text for name, text in error.errors.items()}
    name = "kind" if isinstance(error, UnknownKind) else ""
    return {name: error.message}


def _at(path: str, index: int, name: str) -> str:
    parts = [path, str(index), name] if path else [name]
    return ".".join(part for part in parts if part)


def _refuse_strangers(account: ServiceAccount, jobs: Sequence[Job]) -> None:
    """Undo everything where a unique key was met by a job that is not the account's."""
    for job in jobs:
        if job.absorbed and job.enqueued_by != account.origin:
            raise UniqueKeyHeld(
                f"A job of {job.kind} with the unique key {job.unique_key!r} waits already, "
                "and it is somebody else's. It will see what has changed; nothing was enqueued."
            )
