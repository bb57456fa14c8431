"""The project's own app for Django: every process of it knows its Celery app, as `check` asks."""

import os
from importlib import import_module

from django.apps import AppConfig


class Project(AppConfig):
    """Imports the Celery app; in the process of the tests theirs is made by their fixture."""

    name = "sandbox.canvas"
    label = "canvas"

    def ready(self) -> None:
        """Import it, with their tasks."""
        if "CANVAS_TESTS" not in os.environ:
            import_module("sandbox.canvas.app")
