"""App configuration."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BreakersConfig(AppConfig):
    """Circuit breakers that every process shares."""

    name = "apps.breakers"
    label = "breakers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the declared breakers' rows after each migrate, so that lists are complete."""
        post_migrate.connect(_declare_rows, sender=self)


def _declare_rows(**_: Any) -> None:  # noqa: ANN401 Django's signal
    from apps.breakers.services import declare_rows  # models are not loaded at import

    declare_rows()
