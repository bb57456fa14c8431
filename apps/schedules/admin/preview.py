"""What a schedule's form, as it stands, would do."""

from datetime import datetime
from typing import Any

from django_celery_beat.models import PeriodicTask

from apps.jobs import registry
from apps.schedules import selectors
from apps.schedules.admin.forms import PeriodicTaskForm
from apps.schedules.errors import InvalidSchedule

_WHEN = ("crontab", "interval", "clocked", "solar", "start_time", "expires", "__all__")


def preview_of(form: PeriodicTaskForm) -> dict[str, Any]:
    """Return the next fire times, what is wrong with the schedule, and the kind's arguments."""
    form.is_valid()
    task: PeriodicTask = form.instance
    wrong = [str(text) for name in _WHEN for text in form.errors.get(name, [])]
    fires: list[datetime] = []
    if not wrong and task.scheduler:
        try:
            fires = selectors.next_fires(_enabled(task))
        except InvalidSchedule as error:
            wrong.append(error.message)
    return {
        "fires": [f"{moment:%a %Y-%m-%d %H:%M:%S %Z}" for moment in fires],
        "errors": wrong,
        "arguments": arguments_of(task.task),
    }


def arguments_of(name: str) -> list[str]:
    """Return a line for each argument of a kind: its name, type and default."""
    kind = registry.get(name)
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
