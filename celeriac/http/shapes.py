"""What callers get: each shape once as a type for the schema, once as a function of a row."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from celeriac.console.job_output import redacted_job
from celeriac.http.bodies import StateText
from celeriac.http.submit import lock_prefix
from celeriac.jobs.models import Attempt, Job

_DETAILS = ("wait_reason", "progress", "unique_key", "callback_url", "superseded_by")


class ApiModel(BaseModel):
    """What the API answers; a later version may add members."""

    model_config = ConfigDict(extra="allow")


class ProblemDetails(ApiModel):
    """A refusal (RFC 9457)."""

    type: str = Field(description="`urn:celeriac:problem:<name>`: what programs go by.")
    title: str
    status: int
    detail: str = Field(description="For people.")
    errors: dict[str, str] = Field(
        default_factory=dict, description="What is wrong, by the path of the field."
    )


class AttemptDetails(ApiModel):
    """A run that did not simply succeed at the first go."""

    number: int
    outcome: str
    started_at: datetime
    finished_at: datetime
    error_class: str
    message: str


class JobSummary(ApiModel):
    """A job in a list."""

    id: UUID
    kind: str
    queue: str
    priority: int
    state: StateText
    run_at: datetime
    expires_at: datetime | None
    attempt: int = Field(description="How many runs it has had; only grows.")
    failures: int
    losses: int = Field(description="Runs that ended with their process.")
    max_attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    cancel_requested_at: datetime | None
    correlation_id: str


#: Read for a summary.
SUMMARY = tuple(JobSummary.model_fields)


class JobDetails(JobSummary):
    """A job."""

    args: dict[str, Any]
    result: Any
    progress: Any
    wait_reason: str
    unique_key: str | None
    lock_key: str | None
    callback_url: str
    superseded_by: UUID | None
    attempts: list[AttemptDetails]


class JobPage(ApiModel):
    """Jobs, newest first."""

    next: str | None = Field(
        description="The next page; null on the last. Under filters one before may be empty."
    )
    results: list[JobSummary]


class JobReference(ApiModel):
    """A job of a bulk call, in the call's order."""

    id: UUID
    kind: str
    state: StateText


class BulkDetails(ApiModel):
    """What a bulk call made."""

    count: int
    jobs: list[JobReference]


class TokenDetails(ApiModel):
    """A token for the header `Authorization: Bearer …`."""

    access: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.")


def job_details(row: Job, attempts: Iterable[Attempt] = ()) -> dict[str, Any]:
    """Return a job in full."""
    found = job_summary(row) | {name: getattr(row, name) for name in _DETAILS}
    lock = row.lock_key
    found["lock_key"] = lock and lock.removeprefix(lock_prefix(row.enqueued_by))
    found |= redacted_job(row)
    found["attempts"] = [picked(each, AttemptDetails) for each in attempts]
    return found


def job_summary(row: Job) -> dict[str, Any]:
    """Return what a list shows of a job."""
    return picked(row, JobSummary)


def picked(value: object, shape: type[ApiModel]) -> dict[str, Any]:
    """Return what a shape holds of a value: its attributes of the same names."""
    return {name: getattr(value, name) for name in shape.model_fields}
