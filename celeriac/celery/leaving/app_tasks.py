"""The project's own tasks, by the patterns that commands are given."""

from fnmatch import fnmatchcase
from typing import Any

from celery import current_app

from celeriac.celery.adopted.patterns import is_adopted
from celeriac.celery.importing import import_tasks
from celeriac.jobs.hosts import ledger_apps


def project_apps() -> list[Any]:
    """Return the ledger's apps; where there is none, the current one."""
    current: Any = current_app
    return list(ledger_apps.values()) or [current._get_current_object()]


def project_tasks() -> dict[str, Any]:
    """Return the tasks of the ledger's apps by name, all of their modules imported."""
    found: dict[str, Any] = {}
    for app in project_apps():
        import_tasks(app)
        found |= {name: task for name, task in app.tasks.items() if name not in found}
    return {name: found[name] for name in sorted(found) if not name.startswith("celery.")}


def adopted_tasks(pattern: str = "*") -> dict[str, Any]:
    """Return the tasks of CELERIAC["TASKS"] that fit a pattern, by name."""
    return {
        name: task
        for name, task in project_tasks().items()
        if is_adopted(name) and fnmatchcase(name, pattern) and hasattr(task, "is_on_ledger")
    }
