"""What stands around an account's jobs: kinds, queues, circuits, schedules it may read."""

from datetime import datetime
from typing import Any

from django.apps import apps
from pydantic import Field

from celeriac.breakers import api as breakers
from celeriac.http.models import VERBS, ServiceAccount, matches_pattern
from celeriac.http.shapes import ApiModel, picked
from celeriac.jobs import registry
from celeriac.jobs.operating.selectors import queue_depths


class KindDetails(ApiModel):
    """A kind of job, and what the account may do with it."""

    name: str
    aliases: list[str]
    description: str
    queue: str
    priority: int
    max_attempts: int
    timeout_seconds: float | None
    verbs: list[str]
    args_schema: dict[str, Any] = Field(description="JSON Schema of the arguments.")


class QueueDetails(ApiModel):
    """A queue: what waits in it, and whether it lets jobs start."""

    name: str
    queued: int
    scheduled: int
    retrying: int
    parked: int
    running: int
    oldest_seconds: float | None
    paused: bool
    pause_reason: str
    paused_until: datetime | None


class BreakerDetails(ApiModel):
    """A circuit breaker."""

    name: str
    state: str
    until: datetime | None
    failure_rate: float
    calls: int
    failures: int
    changed_at: datetime | None
    since: datetime | None = Field(description="An open circuit: since it opened first.")


class ScheduleDetails(ApiModel):
    """A schedule and its next fire time."""

    name: str
    kind: str
    schedule: str
    zone: str
    state: str
    next_fire_at: datetime | None
    last_tick: datetime | None
    last_status: str


class Kinds(ApiModel):
    """Kinds by name."""

    results: list[KindDetails]


class Queues(ApiModel):
    """Queues by name."""

    results: list[QueueDetails]


class Breakers(ApiModel):
    """Breakers by name."""

    results: list[BreakerDetails]


class Schedules(ApiModel):
    """Schedules by name."""

    results: list[ScheduleDetails]


def kinds_of(account: ServiceAccount) -> list[dict[str, Any]]:
    """Return the kinds that any grant names."""
    return [
        _kind(account, kind) for kind in registry.declared_kinds() if _verbs(account, kind.name)
    ]


def queues_of(account: ServiceAccount) -> list[dict[str, Any]]:
    """Return the queues that any grant names."""
    names = QueueDetails.model_fields.keys() - {"name"}
    return [
        {"name": depth.queue} | {name: getattr(depth, name) for name in names}
        for depth in queue_depths()
        if any(matches_pattern(grant.queues, depth.queue) for grant in account.grants.all())
    ]


def breakers_of(account: ServiceAccount) -> list[dict[str, Any]]:
    """Return the circuits that guard kinds which it may read; all, where it may read all."""
    names = {name for kind, name in registry.guarded_kinds() if account.may("read", kind)}
    asked = None if account.may("read", "*") else names
    return [picked(each, BreakerDetails) for each in breakers.breaker_statuses(asked)]


def schedules_of(account: ServiceAccount) -> list[dict[str, Any]]:
    """Return the schedules of kinds that it may read; none where the project has none."""
    if not apps.is_installed("celeriac.schedules"):
        return []
    from celeriac.schedules import api as schedules  # models of an app that may be left out

    return [
        picked(each, ScheduleDetails)
        for each in schedules.schedule_statuses()
        if account.may("read", each.kind)
    ]


def _kind(account: ServiceAccount, kind: registry.Kind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "aliases": list(kind.aliases),
        "description": (kind.handler.__doc__ or "").strip().partition("\n")[0],
        "queue": kind.queue,
        "priority": kind.priority,
        "max_attempts": kind.retry.max_attempts,
        "timeout_seconds": kind.timeout,
        "verbs": _verbs(account, kind.name),
        "args_schema": kind.schema.json_schema(),
    }


def _verbs(account: ServiceAccount, kind: str) -> list[str]:
    return sorted(verb for verb in VERBS if account.may(verb, kind))
