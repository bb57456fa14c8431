"""App configuration."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """The ledger: a job is a row, and this app owns its life."""

    name = "apps.jobs"
    label = "jobs"
    default_auto_field = "django.db.models.BigAutoField"
