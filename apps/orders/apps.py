"""App configuration."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Orders: what a customer buys, pays and is told about."""

    name = "apps.orders"
    label = "orders"
    default_auto_field = "django.db.models.BigAutoField"
