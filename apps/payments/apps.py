"""App configuration."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Money: operations that must happen once at a gateway."""

    name = "apps.payments"
    label = "payments"
    default_auto_field = "django.db.models.BigAutoField"
