"""What a job's row says, for its page: only what there is to say, secrets redacted."""

import json
from datetime import datetime
from typing import Any

from celeriac.console.explaining.facts import Facts
from celeriac.jobs.models import Job
from celeriac.jobs.phrases import clock_time

#: Of these a job's page shows the beginning.
MOST_CHARACTERS = 20_000

_TIMES = {
    "created_at": "Created",
    "run_at": "Due",
    "started_at": "Started",
    "finished_at": "Finished",
    "expires_at": "Expires",
    "cancel_requested_at": "Cancel asked for",
}
_WHENCE = {
    "unique_key": "Unique key",
    "lock_key": "Lock key",
    "tenant": "Tenant",
    "enqueued_by": "Enqueued by",
    "correlation_id": "Correlation id",
    "tick": "Tick",
    "superseded_by": "Superseded by",
    "callback_url": "Callback",
}


def fact_rows(facts: Facts) -> list[tuple[str, str]]:
    """Return the small facts of a job as (name, value); empty ones are left out."""
    job = facts.job
    listed: list[tuple[str, Any]] = [
        ("Id", job.id),
        ("Kind", job.kind),
        ("State", job.state),
        ("Queue", job.queue),
        ("Priority", job.priority),
        ("Priority to the broker", _brokers_priority(job)),
        ("Runs", job.attempt),
        ("Failures", f"{job.failures} of {job.max_attempts}"),
        ("Losses", f"{job.losses} of {facts.kind.max_losses if facts.kind else '?'}"),
        ("Worker", facts.runner.name if facts.runner else job.worker),
        *((name, getattr(job, field)) for field, name in (_TIMES | _WHENCE).items()),
        ("Trace", facts.trace_id),
    ]
    return [(name, _text(value)) for name, value in listed if value not in (None, "")]


def _brokers_priority(job: Job) -> Any:
    """Return the number that the caller gave: to Redis and its like lower ones run first."""
    return ((job.headers or {}).get("delivery_info") or {}).get("priority")


def fact_documents(facts: Facts) -> list[tuple[str, str]]:
    """Return arguments, result and error as (name, text)."""
    job, redactor = facts.job, facts.redactor
    found = [("Arguments", pretty_json(redactor.args(job.args)))]
    if job.result is not None:
        found.append(("Result", pretty_json(redactor.result(job.result))))
    if job.error:
        found.append(("Error", redactor.text(job.error)))
    return found


def pretty_json(value: object) -> str:
    """Return JSON for reading, cut where it is long."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]}\n… {len(text) - MOST_CHARACTERS} more characters"
    return text


def _text(value: object) -> str:
    return clock_time(value) if isinstance(value, datetime) else str(value)
