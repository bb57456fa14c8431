"""App configuration."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """What every app may lean on: clock, errors, ids, logging context."""

    name = "apps.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"
