"""The verbs of `manage.py celeriac` that need more than the ledger."""

from collections.abc import Callable, Mapping
from typing import Any

from celeriac.core.commands import CommandVerb, add_verb
from celeriac.scanning.command import add_scan, run_scan


def add_verbs() -> None:
    """Add them to the command."""
    add_verb(CommandVerb("scan", "say what each Celery task would become", add_scan, _scan))


def _scan(options: Mapping[str, Any], write: Callable[[str], object]) -> int:
    """Scan the project by its text and by the tasks that its app has."""
    from celeriac.celery.registered import registered_tasks  # the app's tasks are imported late

    return run_scan(
        options["path"], json=options["json"], write=write, registered=registered_tasks()
    )
