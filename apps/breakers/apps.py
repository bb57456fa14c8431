"""App configuration."""

from django.apps import AppConfig


class BreakersConfig(AppConfig):
    """Circuit breakers that every process shares."""

    name = "apps.breakers"
    label = "breakers"
    default_auto_field = "django.db.models.BigAutoField"
