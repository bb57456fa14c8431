"""Bringing declared schedules into the database, and leaving alone what people changed there.

A policy remembers what was declared when it was last synchronised. A field follows
its declaration only while the row still says what was declared before.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from celeriac.core import audit
from celeriac.core.queries import execute
from celeriac.jobs import registry
from celeriac.jobs.jsonable import problems_in
from celeriac.schedules import cronfields, declare
from celeriac.schedules.calls import call_of
from celeriac.schedules.declare import POLICY, Declaration, degrees
from celeriac.schedules.definition import RELATED, check_moment
from celeriac.schedules.entries import DEFAULTS
from celeriac.schedules.errors import InvalidSchedule
from celeriac.schedules.models import Policy
from celeriac.schedules.rows import shared_row

#: Fields of a periodic task that hold JSON, and what stands for nothing in them; its moments.
_EMPTY = {"args": "[]", "kwargs": "{}", "headers": "{}"}
_JSON, _MOMENTS = _EMPTY.keys(), {"start_time", "expires"}
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('celeriac.schedules.sync'))"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one declaration: created, updated, unchanged, disabled or refused."""

    name: str
    done: str
    fields: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    error: str = ""


def sync_schedules(*, actor: object = None) -> list[Change]:
    """Synchronise all declarations and return what was done.

    Creates what is new, updates fields that nobody changed by hand, and disables,
    never deletes, what is no longer declared. One that can't be is refused by name, its row
    stays as it is, and the others are written. An `actor` leaves an audit row.
    """
    declared = {name: _checked(one) for name, one in declare.declarations().items()}
    wanted = {name: one for name, one in declared.items() if isinstance(one, Declaration)}
    with transaction.atomic():
        execute(_LOCK)
        _rename(wanted)
        tasks = PeriodicTask.objects.filter(name__in=wanted).select_related("policy", *RELATED)
        rows = {task.name: task for task in tasks}
        changes = [_one(one, rows.get(name)) for name, one in sorted(wanted.items())]
        changes += _disable_others(declared)
        if actor is not None:
            touched = [change.name for change in changes if change.done != "unchanged"]
            details = {"changed": touched}
            audit.record(
                "schedule.sync", "schedule", actor=actor, count=len(touched), details=details
            )
    return changes + [
        Change(name, "refused", error=one.message)
        for name, one in declared.items()
        if isinstance(one, InvalidSchedule)
    ]


def _checked(one: Declaration | InvalidSchedule) -> Declaration | InvalidSchedule:
    """Return the declaration as the row will have it, or why it could never be or fire."""
    if isinstance(one, InvalidSchedule):
        return one
    task = PeriodicTask(name=one.name)
    try:
        _assign(task, {name: value for name, value in one.row.items() if name != "when"})
        _check_fields(task, one.row)
        call_of(task)
        for moment in _MOMENTS:
            check_moment(moment, getattr(task, moment))
    except InvalidSchedule as error:
        named = error.message.startswith(one.name)
        return error if named else InvalidSchedule(f"{one.name}: {error.message}")
    plain = {name: getattr(task, name) for name in DEFAULTS.keys() - _JSON - _MOMENTS}
    return replace(one, row=one.row | plain)


def _check_fields(task: PeriodicTask, row: dict[str, Any]) -> None:
    """Refuse what the table would refuse, which would stop all the others, too."""
    problems = problems_in(row)
    if not problems:
        try:
            task.clean_fields(exclude=(*RELATED, "priority"))  # call_of's
        except ValidationError as error:
            problems = {name: " ".join(said) for name, said in error.message_dict.items()}
    if problems:
        text = "; ".join(f"{name}: {why}" for name, why in problems.items())
        raise InvalidSchedule(f"{task.name}: {text}", errors=problems)


def _rename(wanted: dict[str, Declaration]) -> None:
    """Let the schedule that a kind declared under an alias go on under the kind's name."""
    for name in wanted:
        kind = registry.get_kind(name)
        aliases = set(kind.aliases) - wanted.keys() if kind and kind.name == name else set()
        if aliases and not PeriodicTask.objects.filter(name=name).exists():
            old = PeriodicTask.objects.filter(name__in=aliases, policy__declared__isnull=False)
            if (task := old.order_by("pk").first()) is not None:
                PeriodicTask.objects.filter(pk=task.pk).update(name=name)


def _one(declaration: Declaration, task: PeriodicTask | None) -> Change:
    if task is None:
        return _create(declaration)
    policy = Policy.objects.filter(pk=task.pk).first()
    if policy is None:  # made without signals, and not yet started
        task.save()
        policy = Policy.objects.get(pk=task.pk)
    before = policy.declared or {}
    present, wanted = _present(task, policy), declaration.values()
    news = {name for name, value in wanted.items() if before and value != before.get(name)}
    ours = {name for name in news if present[name] == before.get(name)}
    chosen = {name: wanted[name] for name in ours if present[name] != wanted[name]}
    back = bool(before.get("removed")) and not task.enabled
    if chosen or back:
        task.enabled = task.enabled or (back and wanted["enabled"])
        _write(task, policy, chosen)
    if before != wanted:
        Policy.objects.filter(pk=task.pk).update(declared=wanted)
    theirs = wanted.keys() - ours
    kept = tuple(sorted(name for name in theirs if present[name] != wanted[name]))
    done = "updated" if chosen or back else "unchanged"
    return Change(declaration.name, done, tuple(sorted(chosen)), kept)


def _create(declaration: Declaration) -> Change:
    task = PeriodicTask(name=declaration.name)
    _assign(task, declaration.row)
    task.save()
    Policy.objects.filter(pk=task.pk).update(declared=declaration.values(), **declaration.policy)
    return Change(declaration.name, "created")


def _write(task: PeriodicTask, policy: Policy, chosen: dict[str, Any]) -> None:
    _assign(task, chosen)
    task.save()
    rules = {name: value for name, value in chosen.items() if name in POLICY}
    if rules:
        Policy.objects.filter(pk=policy.pk).update(**rules)


def _assign(task: PeriodicTask, row: dict[str, Any]) -> None:
    for name, value in row.items():
        if name in _JSON:
            setattr(task, name, json.dumps(value))
        elif name in _MOMENTS:
            setattr(task, name, datetime.fromisoformat(value) if value else None)
        elif name in DEFAULTS or name == "task":
            setattr(task, name, value)
    if "when" in row:
        for column, saved in _row_of(row["when"]).items():
            setattr(task, column, saved)


def _row_of(when: dict[str, Any]) -> dict[str, Model | None]:
    """Return the saved row that says when, by its column; the other columns are empty."""
    row: Model
    match when:
        case {"crontab": given}:
            fields = {name: given[name] for name in cronfields.FIELDS}
            row = CrontabSchedule(**fields, timezone=given["zone"])
        case {"interval": seconds}:
            whole = seconds.is_integer()
            every, period = (seconds, "seconds") if whole else (seconds * 1e6, "microseconds")
            row = IntervalSchedule(every=round(every), period=period)
        case {"solar": [event, latitude, longitude]}:
            place = {"latitude": Decimal(latitude), "longitude": Decimal(longitude)}
            row = SolarSchedule(event=event, **place)
        case {"clocked": moment}:
            row = ClockedSchedule(clocked_time=datetime.fromisoformat(moment))
        case _:
            return dict.fromkeys(RELATED)
    (column,) = when
    return dict.fromkeys(RELATED) | {column: shared_row(row)}


def _present(task: PeriodicTask, policy: Policy) -> dict[str, Any]:
    """Return what the row says now, in a declaration's shape."""
    plain = {name: getattr(task, name) for name in DEFAULTS.keys() - _JSON - _MOMENTS}
    stored = {name: json.loads(getattr(task, name) or _EMPTY[name]) for name in _JSON}
    moments = {name: _text(getattr(task, name)) for name in _MOMENTS}
    rules = {name: getattr(policy, name) for name in POLICY}
    when = {"task": task.task, "when": _present_when(task)}
    return plain | stored | moments | rules | when


def _text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def _present_when(task: PeriodicTask) -> dict[str, Any]:
    if task.crontab:
        fields = {name: getattr(task.crontab, name).replace(" ", "") for name in cronfields.FIELDS}
        return {"crontab": fields | {"zone": str(task.crontab.timezone)}}
    if task.interval:
        return {"interval": task.interval.schedule.run_every.total_seconds()}
    if task.solar:
        sun = task.solar
        return {"solar": [sun.event, degrees(sun.latitude), degrees(sun.longitude)]}
    if task.clocked:
        return {"clocked": _text(task.clocked.clocked_time)}
    return {"other": True}


def _disable_others(wanted: Iterable[str]) -> list[Change]:
    gone = (
        Policy.objects.filter(declared__isnull=False)
        .exclude(periodic_task__name__in=wanted)
        .exclude(declared__has_key="removed")
        .select_related("periodic_task")
    )
    changes = []
    for policy in gone:
        task = policy.periodic_task
        if not task.enabled:
            continue
        task.enabled = False
        task.save()
        removed = {**(policy.declared or {}), "removed": True}
        Policy.objects.filter(pk=policy.pk).update(declared=removed)
        changes.append(Change(task.name, "disabled"))
    return changes
