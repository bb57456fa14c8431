"""Django's registration of the app."""

from django.apps import AppConfig
from django.core.checks import register

from celeriac.core.needs import Needs


class MonitoringConfig(Needs, AppConfig):
    """What machines see: metrics, health, roll-ups; Flower behind the site's own sign-in."""

    name = "celeriac.monitoring"
    label = "celeriac_monitoring"
    verbose_name = "Monitoring"
    needed_apps = ("celeriac.jobs",)

    def ready(self) -> None:
        """Register what `manage.py check` looks at."""
        from celeriac.monitoring.flower.checks import check_flower  # apps are loaded by now

        register(check_flower)
