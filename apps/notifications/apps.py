"""App configuration."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Email: messages that must be sent once."""

    name = "apps.notifications"
    label = "notifications"
    default_auto_field = "django.db.models.BigAutoField"
