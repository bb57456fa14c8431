"""App configuration."""

from importlib import import_module

from django.apps import AppConfig
from django.core.checks import register

from celeriac import plug_in


class PaymentsConfig(AppConfig):
    """Money: operations that must happen once at a gateway."""

    name = "apps.payments"
    label = "payments"

    def ready(self) -> None:
        """Tell of jobs, join the console, and see that what has a payment follows it."""
        register(import_module("apps.payments.followups").check_follow_ups)
        import_module("apps.payments.job_page").register_sections()
        plug_in(import_module("apps.payments.plugin").PLUGIN)
