"""The verbs of `manage.py celeriac` that need more than the ledger."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from celeriac.core.commands import CommandVerb, add_verb

#: Verbs by what they say of themselves, and the module that has `add_…` and `run_…` of them; it is
#: imported when the command runs, and Celery with it.
_LATE = {
    "route": ("say which calls are jobs: plain, ledger, 5%%", "leaving.route_command"),
    "handback": ("send what is queued as plain messages", "leaving.handback_command"),
    "report": ("compare tasks as messages and as jobs", "leaving.report_command"),
    "shadow": ("say what befell plain tasks that jobs are spared", "shadow.shadow_command"),
}


def add_verbs() -> None:
    """Add them to the command."""
    add_verb(CommandVerb("scan", "say what each Celery task would become", _add_scan, _scan))
    for name, (text, module) in _LATE.items():
        add_verb(
            CommandVerb(name, text, _late(module, f"add_{name}"), _late(module, f"run_{name}"))
        )


def _late(module: str, name: str) -> Callable[..., Any]:
    """Return a function that is imported when it is called."""

    def call(*args: Any) -> Any:
        return getattr(import_module(f"celeriac.celery.{module}"), name)(*args)

    return call


def _add_scan(parser: ArgumentParser) -> None:
    from celeriac.scanning.command import add_scan  # no other process needs it

    add_scan(parser)


def _scan(options: Mapping[str, Any], write: Callable[[str], object]) -> int:
    """Scan the project by its text and by the tasks that its app has."""
    from celeriac.celery.registered import registered_tasks  # the app's tasks are imported late
    from celeriac.scanning.command import run_scan

    return run_scan(
        options["path"], json=options["json"], write=write, registered=registered_tasks()
    )
