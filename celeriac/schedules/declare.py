"""Schedules beside the code: what `@job(..., schedule=…)` and CELERY_BEAT_SCHEDULE declare."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

from django.conf import settings

from celeriac.jobs import registry
from celeriac.schedules import cronfields
from celeriac.schedules.crontab import parse_crontab
from celeriac.schedules.definition import LONGEST, SHORTEST
from celeriac.schedules.entries import DEFAULTS, fields_of
from celeriac.schedules.errors import InvalidSchedule
from celeriac.schedules.models import Misfire, Overlap


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a declared job runs, and by which policy (spans in seconds).

    `when` is a Celery crontab or solar, beat's clocked, a timedelta, or a number of seconds.
    """

    when: Any
    zone: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    misfire: str = "once"
    misfire_limit: int = 100
    misfire_grace: float = 60.0
    overlap: str = "allow"
    deadline: float | None = None
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared periodic task as plain values: those of the row, and those of its policy."""

    name: str
    row: dict[str, Any]
    policy: dict[str, Any]

    def values(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        return self.row | self.policy


POLICY = ("misfire", "misfire_limit", "misfire_grace", "overlap", "deadline", "jitter")


def declarations() -> dict[str, Declaration | InvalidSchedule]:
    """Return what the kinds and the settings declare, or why it can't be, by name; settings win."""
    entries: Mapping[str, object] = getattr(settings, "CELERY_BEAT_SCHEDULE", {})
    found: dict[str, Declaration | InvalidSchedule] = {}
    for kind in registry.declared_kinds():
        if kind.schedule is not None:
            fields = {**DEFAULTS, "task": kind.name, "when": kind.schedule}
            found[kind.name] = _or_why_not(kind.name, lambda fields=fields: fields)  # type: ignore[misc]  # bound now
    for name, entry in entries.items():
        if not (isinstance(name, str) and name.isprintable()):
            shown = ascii(name)
            found[shown] = InvalidSchedule(f"{shown}: the name of an entry is printable text.")
            continue
        found[name] = _or_why_not(name, lambda name=name, entry=entry: fields_of(name, entry))  # type: ignore[misc]  # bound now
    return dict(sorted(found.items()))


def _or_why_not(name: str, read: Callable[[], dict[str, Any]]) -> Declaration | InvalidSchedule:
    try:
        return _declaration(name, read())
    except InvalidSchedule as error:
        return error


def _declaration(name: str, fields: dict[str, Any]) -> Declaration:
    given = fields["when"]
    whole = given if isinstance(given, Schedule) else Schedule(given)
    row = {**fields, "when": _when(name, whole), "kwargs": {**whole.kwargs, **fields["kwargs"]}}
    if "clocked" in row["when"]:
        row["one_off"] = True  # its moment comes once
    try:
        json.dumps([row[key] for key in ("args", "kwargs", "headers")], allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidSchedule(f"{name}: arguments are kept as JSON: {error}.") from error
    policy = {key: getattr(whole, key) for key in POLICY}
    _check(name, row["when"], policy)
    return Declaration(name, row, policy)


def _check(name: str, when: dict[str, Any], policy: dict[str, Any]) -> None:
    """Refuse what the database, or beat, would refuse later and elsewhere."""
    fields: dict[str, str] = when.get("crontab", {})
    try:
        parse_crontab(**fields)
    except InvalidSchedule as error:
        raise InvalidSchedule(f"{name}: {error.message}", errors=error.errors) from error
    except (KeyError, ValueError, OSError) as error:  # zoneinfo's ways to say no
        raise InvalidSchedule(f"{name}: there is no time zone {fields['zone']!r}.") from error
    for key, known in (("misfire", Misfire.values), ("overlap", Overlap.values)):
        if policy[key] not in known:
            raise InvalidSchedule(f"{name}: {key} is one of {', '.join(known)}.")
    deadline, jitter = policy["deadline"], policy["jitter"]
    if jitter < 0 or policy["misfire_grace"] < 0 or policy["misfire_limit"] < 1:
        raise InvalidSchedule(f"{name}: spans are 0 seconds or more, misfire_limit 1 or more.")
    if deadline is not None and deadline <= jitter:
        raise InvalidSchedule(f"{name}: jitter is shorter than the deadline.")


def _when(name: str, schedule: Schedule) -> dict[str, Any]:
    """Return the schedule as plain values. Celery's objects are known by their shape here."""
    when = schedule.when
    if hasattr(when, "_orig_minute"):
        fields = {key: _cron_text(getattr(when, f"_orig_{key}")) for key in cronfields.FIELDS}
        return {"crontab": fields | {"zone": schedule.zone or default_zone()}}
    if hasattr(when, "clocked_time"):
        return {"clocked": when.clocked_time.astimezone(UTC).isoformat()}
    if hasattr(when, "lat") and hasattr(when, "lon"):
        return {"solar": [when.event, degrees(when.lat), degrees(when.lon)]}
    every = getattr(when, "run_every", when)
    if isinstance(every, timedelta):
        every = every.total_seconds()
    bounds = SHORTEST.total_seconds(), LONGEST.total_seconds()
    if isinstance(every, int | float) and bounds[0] <= every <= bounds[1]:
        return {"interval": float(every)}
    raise InvalidSchedule(
        f"{name}: a schedule is a crontab, a solar or clocked one, a timedelta or a number of "
        f"seconds from a tenth to a century, not {when!r}."
    )


def _cron_text(value: object) -> str:
    """Return a field of a crontab as text; Celery also takes numbers and sets of them."""
    if isinstance(value, str | int):
        return str(value).replace(" ", "")
    return ",".join(str(number) for number in sorted(value))  # type: ignore[call-overload]  # an iterable of numbers


def degrees(value: object) -> str:
    """Return a latitude or longitude as the row has it."""
    return f"{float(str(value)):.6f}"


def default_zone() -> str:
    """Return the zone of crontabs that name none."""
    return str(getattr(settings, "CELERY_TIMEZONE", "UTC"))
