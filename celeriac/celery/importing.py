"""Importing a project's task modules."""

from typing import Any

from django.apps import apps


def import_tasks(app: Any) -> None:
    """Import the modules that an app finds tasks in."""
    keep_setup(app)
    app.loader.import_default_modules()


def keep_setup(app: Any) -> None:
    """Have Celery import tasks without setting Django up, where it is.

    That would give the project's LOGGING anew, and take away what was done to its handlers since.
    """
    for fixup in getattr(app, "_fixups", ()) if apps.ready else ():
        if (worker := getattr(fixup, "worker_fixup", None)) is not None:
            worker.django_setup = _nothing


def _nothing() -> None:
    """Set up nothing."""
