"""App configuration."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings


class JobsConfig(AppConfig):
    """The ledger: a job is a row, and this app owns its life."""

    name = "apps.jobs"
    label = "jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load the declarations: every process validates arguments, the web's too."""
        for name in settings.JOBS_MODULES:
            import_module(name)
