"""App configuration."""

from importlib import import_module

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Email: messages that must be sent once."""

    name = "apps.notifications"
    label = "notifications"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers and tell of jobs; both need the models."""
        import_module("apps.notifications.receivers")
        import_module("apps.notifications.telling").register()
