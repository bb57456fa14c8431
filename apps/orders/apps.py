"""App configuration."""

from importlib import import_module

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Orders: what a customer buys, pays and is told about."""

    name = "apps.orders"
    label = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers and tell of jobs; both need the models."""
        import_module("apps.orders.receivers")
        import_module("apps.orders.telling").register()
