"""App configuration."""

from importlib import import_module

from django.apps import AppConfig

from celeriac import plug_in


class OrdersConfig(AppConfig):
    """Orders: what a customer buys, pays and is told about."""

    name = "apps.orders"
    label = "orders"

    def ready(self) -> None:
        """Follow payments, tell of jobs and join the console: all need the models."""
        import_module("apps.orders.services").follow_payments()
        import_module("apps.orders.job_page").register_sections()
        plug_in(import_module("apps.orders.plugin").PLUGIN)
