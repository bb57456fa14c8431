"""What a schedule's form, as it stands, would do."""

from datetime import datetime
from typing import Any

from django_celery_beat.models import PeriodicTask

from celeriac.console.admin.schedules.forms import PeriodicTaskForm
from celeriac.console.admin.schedules.timing import FIELDS
from celeriac.core import clock
from celeriac.jobs import registry
from celeriac.schedules import selectors
from celeriac.schedules.errors import InvalidSchedule
from celeriac.schedules.models import Policy

_WHEN = (*FIELDS, "__all__")
_WHAT = ("task", "kwargs", "args")


def preview_of(form: PeriodicTaskForm) -> dict[str, Any]:
    """Return the next fire times, what is wrong with the schedule, and the kind's arguments."""
    form.is_valid()
    task: PeriodicTask = form.instance
    # An interval that is changed counts from the moment it is saved.
    changed = bool({*FIELDS, "enabled"} & set(form.changed_data))
    return {
        **_fires(task, _said(form, _WHEN), anew=changed),
        "arguments": arguments_of(task.task),
        "refusals": _said(form, _WHAT) if task.task else [],
    }


def saved_preview_of(task: PeriodicTask) -> dict[str, Any]:
    """Return the same of a task as it is saved, for people who may only look."""
    return {**_fires(task, [], anew=False), "arguments": arguments_of(task.task), "refusals": []}


def _said(form: PeriodicTaskForm, names: tuple[str, ...]) -> list[str]:
    return [str(text) for name in names for text in form.errors.get(name, [])]


def _fires(task: PeriodicTask, wrong: list[str], *, anew: bool) -> dict[str, Any]:
    fires: list[datetime] = []
    if not wrong and task.scheduler:
        try:
            fires = selectors.next_fires(_enabled(task), anew=anew)
        except InvalidSchedule as error:
            wrong = [error.message]
    return {
        "fires": [f"{tick:%a %Y-%m-%d %H:%M:%S %Z}" for tick in fires],
        "errors": wrong,
        "pause": _pause(task) if fires else "",
    }


def _pause(task: PeriodicTask) -> str:
    policy = Policy.objects.filter(pk=task.pk).first() if task.pk else None
    if policy is None or policy.paused_at is None:
        return ""
    if policy.paused_until is None:
        return "Paused: until somebody resumes it, these are skipped."
    if policy.paused_until <= clock.db_now():
        return ""
    return f"Paused: those before {policy.paused_until:%Y-%m-%d %H:%M:%S} UTC are skipped."


def arguments_of(name: str) -> list[str]:
    """Return a line for each argument of a kind: its name, type and default."""
    kind = registry.get_kind(name)
    if kind is None:
        return []
    schema = kind.schema.json_schema()
    required = set(schema.get("required", []))
    return [_line(field, spec, field in required) for field, spec in schema["properties"].items()]


def _line(field: str, spec: dict[str, Any], is_required: bool) -> str:
    shape = spec.get("format") or spec.get("type") or "value"
    if is_required:
        return f"{field}: {shape}, required"
    default = f" ({spec['default']!r})" if "default" in spec else ""
    return f"{field}: {shape}, optional{default}"


def _enabled(task: PeriodicTask) -> PeriodicTask:
    """Show the times of a disabled schedule, too: they are why one edits it."""
    task.enabled = True
    return task
