"""Django's registration of the app."""

from django.apps import AppConfig
from django.core.checks import register


class OpsConfig(AppConfig):
    """What Django calls it."""

    name = "apps.ops"

    def ready(self) -> None:
        """Register what `manage.py check` looks at."""
        from apps.ops.flower.checks import check_flower  # apps are loaded by now, not before

        register(check_flower)
